"""Incremental inference: of a frame much like the last, only what changed is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.splitting.incremental import Changes, IncrementalCnn, TileReceiver, TileSender
from edge_node.splitting.incremental import Rules as Look
from edge_node.splitting.network import FrameCnn
from edge_node.tasks.flops import count_flop


def moving(frames: int, seed: int) -> np.ndarray:
    """A bright square that moves over a fixed pattern and sometimes stands still."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 60, (48, 48), dtype=np.uint8)
    sequence = np.repeat(ground[None], frames, axis=0)
    top, left = rng.integers(0, 36, 2)
    for frame in sequence:
        top, left = np.clip([top, left] + rng.integers(-2, 3, 2) * rng.integers(0, 2), 0, 36)
        frame[top : top + 12, left : left + 12] = 220
    return sequence


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_incremental_without_threshold_is_the_full_model(seed: int) -> None:
    torch.manual_seed(0)
    model = FrameCnn().eval()
    runner = IncrementalCnn(model, Look(threshold=0, refresh=100))
    full = count_flop(model, torch.zeros(1, 1, 48, 48, dtype=torch.uint8)).forward
    first, later = 0.0, []
    for index, frame in enumerate(moving(8, seed)):
        answer = runner.infer(frame)
        with torch.no_grad():
            expected = model(torch.from_numpy(frame.copy())[None, None])[0]
        assert torch.allclose(answer.logits, expected, atol=1e-4)
        first = answer.flop if index == 0 else first
        later += [answer.flop] if index else []
    assert first == pytest.approx(full + 2.0 * 48 * 48)
    assert max(later) < first


def test_a_still_scene_costs_only_the_comparison() -> None:
    runner = IncrementalCnn(FrameCnn(), Look())
    frame = moving(1, 0)[0]
    runner.infer(frame)
    answer = runner.infer(frame)
    assert answer.flop == 2.0 * 48 * 48
    assert answer.changed_tiles_fraction == 0


def test_held_frame_is_never_off_by_more_than_the_threshold() -> None:
    rng = np.random.default_rng(3)
    changes = Changes(Look(threshold=9, refresh=50))
    frame = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    for _ in range(30):
        frame = np.clip(frame + rng.integers(-3, 4, frame.shape), 0, 255).astype(np.uint8)
        changes.take(frame)
        assert changes.held is not None
        assert np.abs(changes.held.astype(int) - frame).max() <= 9


def test_refresh_takes_everything() -> None:
    changes = Changes(Look(threshold=255, refresh=4))
    frames = moving(9, 1)
    assert [bool(changes.take(frame).all()) for frame in frames] == [k % 4 == 0 for k in range(9)]
    with pytest.raises(ValueError, match="multiples"):
        changes.take(np.zeros((47, 48), np.uint8))


@given(st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_both_ends_hold_the_same_frame(seed: int, threshold: int) -> None:
    sender, receiver = TileSender(Look(threshold=threshold, refresh=5)), TileReceiver(48)
    for frame in moving(7, seed):
        data = sender.encode(frame)
        assert np.array_equal(receiver.decode(data), sender.changes.held)
        if threshold == 0:
            assert np.array_equal(receiver.frame, frame)
        with pytest.raises(ValueError):
            receiver.decode(data[:-1])
