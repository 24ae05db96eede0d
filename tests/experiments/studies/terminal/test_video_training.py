"""The recurrent layer of the video-like model: trained on moving digits behind the unsplit model, kept in the cache."""

from __future__ import annotations

from pathlib import Path

import torch

from edge_node.splitting.recurrent import RecurrentHead
from experiments.studies.terminal.training import Data, Models
from experiments.studies.terminal.video_training import load_head, save_head, train_head
from tests.experiments.studies.terminal.sizes import TINY


def test_training_is_cached_and_the_same_by_seed(
    cache: Path, tmp_path: Path, data: Data, models: Models, recurrent: RecurrentHead
) -> None:
    save_head(recurrent, tmp_path / "r.safetensors")
    (kept,) = cache.rglob("terminal-video/*.safetensors")
    from_cache = train_head(data, TINY, models, 0)
    kept.unlink()
    again = train_head(data, TINY, models, 0)
    for other in (from_cache, again, load_head(tmp_path / "r.safetensors")):
        for ours, theirs in zip(recurrent.parameters(), other.parameters(), strict=True):
            assert torch.equal(ours, theirs)
