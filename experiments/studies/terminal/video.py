"""The video-like model beside the sequence of images: what memory over time adds in accuracy, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from edge_node.splitting.network import FrameCnn
from edge_node.splitting.recurrent import FrameFeatures, RecurrentHead
from experiments.report.claims.figure import ClaimFigure, Kind
from experiments.studies.terminal.checks import check
from experiments.studies.terminal.frames import moving_digits
from experiments.studies.terminal.measure import Executed
from experiments.studies.terminal.settings import ACCURACY_LOSS_FRACTION, SCENES_GREY
from experiments.studies.terminal.training import Data

SEQUENCES = 20
"""Noisy sequences, beside the one that is executed over the link, over which both models' accuracy is compared."""
GAIN_FRACTION = 0.01
"""Accuracy the memory is to add, mean over the sequences."""
COST_FRACTION = 0.05
"""Terminal joules it may cost where all is computed locally."""
IMAGES, VIDEO = "images", "video"
WAYS = ("local", "full", "cut 3", "cut 1, 4 bits")
"""Executed on the sequence with both models; all but the first have the video-like one's state on the server."""
_EXACT_WAYS = WAYS[:3]
"""Values cross as they are."""


def _option(model: str, way: str) -> str:
    return way if model == IMAGES else f"{way}, video"


def video_table(mechanisms: pd.DataFrame) -> pd.DataFrame:
    """One row per distance, way and model, from ``tables.mechanisms_table``: accuracy, joules, bytes."""
    rows = mechanisms[mechanisms["workload"] == "sequence"].set_index(["distance_m", "option"])
    columns = [
        "rate_bit_per_s",
        "accuracy_fraction",
        "up_bytes",
        "terminal_j",
        "system_j",
        "latency_s",
        "meets_deadline",
    ]
    found = []
    for distance_m in mechanisms["distance_m"].unique():
        for way in WAYS:
            for model in (IMAGES, VIDEO):
                row = rows.loc[(distance_m, _option(model, way)), columns]
                found.append({"distance_m": distance_m, "way": way, "model": model, **row.to_dict()})
    return pd.DataFrame(found)


@torch.no_grad()
def sequences_table(
    base: FrameCnn, recurrent: RecurrentHead, data: Data, frames: int, seed: int
) -> pd.DataFrame:
    """Accuracy of both models on ``SEQUENCES`` noisy sequences of test digits, computed here.

    Args:
        base: The unsplit model.
        recurrent: The layer over its hidden layer.
        data: Its test set.
        frames: Of each sequence.
        seed: Of the study; sequences take seeds of their own, which training does not use.
    """
    terminal, head = FrameFeatures(base), base.head[-1]
    rows = []
    for index in range(SEQUENCES):
        own = 1_000_000 * (seed + 1) + 500_000 + index
        video = moving_digits(data.test, data.test_labels, frames, own, *SCENES_GREY[-1])
        hidden = terminal(torch.from_numpy(video.frames)[:, None])
        by_image = head(hidden).argmax(dim=1).numpy()
        over_time = recurrent(hidden[None])[0].argmax(dim=1).numpy()
        rows.append(
            {
                "sequence_seed": own,
                "frames": frames,
                "images_accuracy_fraction": float(np.mean(by_image == video.labels)),
                "video_accuracy_fraction": float(np.mean(over_time == video.labels)),
            }
        )
    return pd.DataFrame(rows)


def judge(
    table: pd.DataFrame, sequences: pd.DataFrame, on_sequence: list[Executed]
) -> dict[str, dict[str, Any]]:
    """Verdicts by name, from ``video_table``, ``sequences_table`` and what was executed on the sequence."""
    return {
        "video": _accuracy(table, sequences),
        "video-cut": _cut(table),
        "video-exact": _exact(on_sequence),
    }


def _accuracy(table: pd.DataFrame, sequences: pd.DataFrame) -> dict[str, Any]:
    gains = sequences["video_accuracy_fraction"] - sequences["images_accuracy_fraction"]
    gain = float(gains.mean())
    local = table[table["way"] == "local"].groupby("model")["terminal_j"].first()
    more = float(local[VIDEO] / local[IMAGES] - 1.0)
    return check(
        gain >= GAIN_FRACTION and more <= COST_FRACTION,
        f"On noisy sequences memory over time adds at least {GAIN_FRACTION:.0%} accuracy to that of image by image, "
        f"for at most {COST_FRACTION:.0%} more terminal joules computed locally.",
        f"{sequences['video_accuracy_fraction'].mean():.1%} instead of "
        f"{sequences['images_accuracy_fraction'].mean():.1%} over {len(sequences)} sequences of "
        f"{sequences['frames'].iloc[0]} frames, higher in {int((gains > 0).sum())} of them; joules {more:+z.1%}",
        ClaimFigure(
            "accuracy added by memory, mean over the sequences",
            Kind.FRACTION,
            ours=gain,
            low=float(gains.min()),
            high=float(gains.max()),
            interval="least to most of all sequences",
            at_least=GAIN_FRACTION,
        ),
    )


def _cut(table: pd.DataFrame) -> dict[str, Any]:
    rows = table[table["model"] == VIDEO]
    places, texts = 0, []
    for rate, part in rows.groupby("rate_bit_per_s", sort=False):
        by_way = part.set_index("way")
        local = by_way.loc["local"]
        least = float(local["accuracy_fraction"]) - ACCURACY_LOSS_FRACTION  # type: ignore[arg-type]
        good = by_way[by_way["meets_deadline"].astype(bool) & (by_way["accuracy_fraction"] >= least)]
        best = str(good["terminal_j"].idxmin()) if len(good) else "none"
        places += best.startswith("cut")
        if best == "none":
            texts.append(f"{float(rate) / 1e6:.2f} Mbit/s: none in time")  # type: ignore[arg-type]
            continue
        row = by_way.loc[best]
        texts.append(
            f"{float(rate) / 1e6:.2f} Mbit/s: {best}, terminal {row['terminal_j'] * 1e3:.2f} mJ, "  # type: ignore[arg-type]
            f"system {row['system_j'] * 1e3:.2f} mJ"
        )
    total = rows["rate_bit_per_s"].nunique()
    local_j = float(rows[rows["way"] == "local"]["terminal_j"].iloc[0])
    return check(
        places > 0,
        "There are link rates at which the video-like model, cut with its state on the server, takes the fewest "
        f"terminal joules of its ways that are in time and lose at most {ACCURACY_LOSS_FRACTION:.0%} accuracy.",
        f"{places} of {total} rates; "
        + "; ".join(texts)
        + f"; local {local_j * 1e3:.2f} mJ, terminal and system",
        ClaimFigure(
            "link rates at which a cut takes the fewest terminal joules",
            ours=float(places),
            at_least=1.0,
            unit=f"of {total}",
        ),
    )


def _exact(on_sequence: list[Executed]) -> dict[str, Any]:
    rows = {row.option: row for row in on_sequence}
    local = rows[_option(VIDEO, "local")]
    apart = [
        max(
            abs(row.max_difference - local.max_difference),
            abs(row.agreement_fraction - local.agreement_fraction),
            abs(row.accuracy_fraction - local.accuracy_fraction),
        )
        for row in (rows[_option(VIDEO, way)] for way in _EXACT_WAYS[1:])
    ]
    return check(
        max(apart) == 0.0,
        "With values as they are, the state on the server answers a sequence like the state on the terminal.",
        f"{len(apart)} ways over the link; accuracy, agreement with the unsplit model and largest difference from its "
        f"scores differ by at most {max(apart):g}",
        ClaimFigure("largest difference of the three figures", ours=max(apart), at_most=0.0),
        "a cut moves operations, and the state with them, not their order nor their numbers",
    )
