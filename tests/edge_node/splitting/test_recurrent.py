"""A video-like model: the hidden layer of a ``FrameCnn`` frame by frame, then one small recurrent layer over time."""

from __future__ import annotations

import pytest
import torch

from edge_node.splitting.network import FRAME_PIXELS, HIDDEN, FrameCnn
from edge_node.splitting.partition import Partitioner
from edge_node.splitting.recurrent import STATE_WIDTH, FrameFeatures, Memory, RecurrentHead, VideoCnn

FRAMES = torch.randint(
    0, 256, (5, 1, FRAME_PIXELS, FRAME_PIXELS), generator=torch.Generator().manual_seed(3)
).to(torch.uint8)


@pytest.fixture
def base() -> FrameCnn:
    torch.manual_seed(0)
    return FrameCnn().eval()


@torch.no_grad()
def test_frame_by_frame_gives_the_scores_of_the_whole_sequence(base: FrameCnn) -> None:
    head = RecurrentHead()
    whole = head(FrameFeatures(base)(FRAMES)[None])[0]
    video = VideoCnn(base, head)
    one_by_one = torch.cat([video(frame[None]) for frame in FRAMES])
    torch.testing.assert_close(one_by_one, whole)
    video.reset()
    assert torch.equal(video(FRAMES[:1]), one_by_one[:1])
    assert not torch.allclose(video(FRAMES[:1]), one_by_one[:1])  # the state has moved on


def test_features_are_the_hidden_layer_of_the_unsplit_model(base: FrameCnn) -> None:
    with torch.no_grad():
        assert torch.equal(base.head[-1](FrameFeatures(base)(FRAMES)), base(FRAMES))


def test_memory_on_the_server_answers_like_memory_on_the_terminal(base: FrameCnn) -> None:
    head = RecurrentHead()
    partitioner = Partitioner(FrameFeatures(base), FRAMES[:1])
    parts = partitioner.split(partitioner.cut_after("features_8").position)
    here, there = VideoCnn(base, head), Memory(head)
    with torch.no_grad():
        for frame in FRAMES:
            hidden = parts.server(*parts.terminal(frame[None]))[0]
            assert torch.equal(there.advance(hidden), here(frame[None])[0])


def test_operations_are_those_of_the_matrix_products() -> None:
    head = RecurrentHead()
    assert head.flop == 2 * 3 * STATE_WIDTH * (HIDDEN + STATE_WIDTH) + 2 * STATE_WIDTH * 10


def test_several_frames_at_once_are_refused(base: FrameCnn) -> None:
    with pytest.raises(ValueError, match="one after the other"):
        VideoCnn(base, RecurrentHead())(FRAMES)
