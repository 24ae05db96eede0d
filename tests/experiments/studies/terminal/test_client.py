"""The terminal's end of the link: starts the server's process, sends at the shaped rate, counts what it sends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_node.splitting.recurrent import RecurrentHead
from experiments.studies.terminal.client import edge_link
from experiments.studies.terminal.options import Options, TileOption, scores
from experiments.studies.terminal.shaper import RateSchedule
from experiments.studies.terminal.training import (
    Data,
    Models,
    save_models,
)
from experiments.studies.terminal.video_training import FILE, save_head


@pytest.mark.processes
def test_two_processes_count_the_same_bytes(
    tmp_path: Path, data: Data, models: Models, recurrent: RecurrentHead, options: Options
) -> None:
    save_models(models, tmp_path / "m.safetensors")
    save_head(recurrent, tmp_path / FILE)
    frames = data.test_frames[:4, 0]
    with edge_link(tmp_path / "m.safetensors", models.digest, options, tmp_path / "log") as link:
        for option in options.offload:
            link.reset(option.name)
            replies = [link.infer(option.name, frame) for frame in frames]
            here, there = link.counts()
            assert here == there
            assert here.up_bytes == sum(reply.up_bytes for reply in replies)
            if not isinstance(option, TileOption):
                assert here.up_bytes == len(frames) * option.split().up_bytes
                assert here.down_bytes == len(frames) * option.split().down_bytes
            if option.name == "full":
                assert all(
                    torch.equal(r.logits, scores(models.base, f))
                    for r, f in zip(replies, frames, strict=True)
                )
        link.shape(RateSchedule.constant(2e5))
        reply = link.infer("full", frames[0])
        assert reply.send_s >= 8 * reply.up_bytes / 2e5
    assert np.all(np.isfinite(reply.logits.numpy()))
