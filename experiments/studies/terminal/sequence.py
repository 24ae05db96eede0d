"""Incremental inference over a sequence: what is saved, what is lost, by threshold, refresh and noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from edge_node.splitting.incremental import IncrementalCnn, Rules, TileSender
from edge_node.splitting.network import FrameCnn
from experiments.studies.terminal.frames import Sequence
from experiments.studies.terminal.measure import accuracy
from experiments.studies.terminal.options import scores
from experiments.studies.terminal.settings import (
    REFERENCE_REFRESH,
    REFERENCE_THRESHOLD_GREY,
    REFRESHES,
    THRESHOLDS_GREY,
)
from experiments.studies.terminal.wire import HEADER_BYTES


def grid() -> list[Rules]:
    """Thresholds at the reference refresh, and refreshes at the reference threshold."""
    found = [Rules(threshold, REFERENCE_REFRESH) for threshold in THRESHOLDS_GREY]
    found += [
        Rules(REFERENCE_THRESHOLD_GREY, refresh) for refresh in REFRESHES if refresh != REFERENCE_REFRESH
    ]
    return found


def sweep(
    model: FrameCnn, sequences: list[Sequence], full_flop: float, advance: Callable[[str], None]
) -> pd.DataFrame:
    """One row per sequence and rule. ``flop_fraction`` includes comparing; 1 is the full model on every frame."""
    rows = []
    for sequence in sequences:
        expected = [scores(model, frame) for frame in sequence.frames]
        for rules in grid():
            runner, sender = IncrementalCnn(model, rules), TileSender(rules)
            answers = [runner.infer(frame) for frame in sequence.frames]
            sent = [HEADER_BYTES + len(sender.encode(frame)) for frame in sequence.frames]
            found = [answer.logits for answer in answers]
            ours, theirs = torch.stack(found), torch.stack(expected)
            flop = float(np.mean([answer.flop for answer in answers]))
            rows.append(
                {
                    "noise_grey": sequence.noise_grey,
                    "threshold_grey": rules.threshold,
                    "refresh_frames": rules.refresh,
                    "flop": flop,
                    "flop_fraction": flop / full_flop,
                    "changed_tiles_fraction": float(np.mean([a.changed_tiles_fraction for a in answers])),
                    "accuracy_fraction": accuracy(found, sequence.labels),
                    "full_accuracy_fraction": accuracy(expected, sequence.labels),
                    "agreement_fraction": float((ours.argmax(1) == theirs.argmax(1)).float().mean()),
                    "max_difference": float((ours - theirs).abs().max()),
                    "tile_up_bytes": float(np.mean(sent)),
                }
            )
            advance(f"threshold {rules.threshold}, refresh {rules.refresh}")
    return pd.DataFrame(rows)
