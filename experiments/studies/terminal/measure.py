"""Runs every option for real: accuracy over the test set, bytes on both ends, wall-clock time at shaped rates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_node.splitting.incremental import Frame
from experiments.errors import RunError
from experiments.studies.terminal.client import EdgeLink
from experiments.studies.terminal.options import Options, TileOption, scores
from experiments.studies.terminal.shaper import RateSchedule

Labels = NDArray[np.int64]
Advance = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Executed:
    """One option over a set of frames."""

    option: str
    mechanism: str
    accuracy_fraction: float
    agreement_fraction: float
    """Frames with the same class as the unsplit model's."""
    max_difference: float
    """Of class scores from the unsplit model's."""
    up_bytes: float
    """Of one inference, mean, headers included; what the terminal counted equals what the server counted."""
    down_bytes: float


def accuracy(logits: list[Tensor], labels: Labels) -> float:
    """Share of frames whose largest score is the label's."""
    return float(np.mean(torch.stack(logits).argmax(dim=1).numpy() == labels))


def execute(
    link: EdgeLink, options: Options, frames: Frame, labels: Labels, names: list[str], advance: Advance
) -> list[Executed]:
    """Answer ``frames`` (N, 48, 48) by each of the options called ``names``, unshaped.

    Raises:
        RunError: the two ends counted different bytes.
    """
    base = options.local[0].model
    expected = [scores(base, frame) for frame in frames]
    rows = []
    for local in options.local:
        if local.name in names:
            local.reset()
            found = [scores(local.model, frame) for frame in frames]
            rows.append(_row(local.name, local.mechanism, found, expected, labels, 0.0, 0.0))
            advance(local.name)
    link.shape(RateSchedule.constant(float("inf")))
    for option in options.offload:
        if option.name not in names:
            continue
        link.reset(option.name)
        link.counts()
        replies = [link.infer(option.name, frame) for frame in frames]
        here, there = link.counts()
        if here != there:
            raise RunError(f"{option.name}: the terminal counted {here}, the server {there}")
        found = [reply.logits for reply in replies]
        up, down = here.up_bytes / len(frames), here.down_bytes / len(frames)
        rows.append(_row(option.name, option.mechanism, found, expected, labels, up, down))
        advance(option.name)
    return rows


def _row(
    name: str,
    mechanism: str,
    found: list[Tensor],
    expected: list[Tensor],
    labels: Labels,
    up_bytes: float,
    down_bytes: float,
) -> Executed:
    ours, theirs = torch.stack(found), torch.stack(expected)
    return Executed(
        option=name,
        mechanism=mechanism,
        accuracy_fraction=accuracy(found, labels),
        agreement_fraction=float((ours.argmax(1) == theirs.argmax(1)).float().mean()),
        max_difference=float((ours - theirs).abs().max()),
        up_bytes=up_bytes,
        down_bytes=down_bytes,
    )


def time_shaped(
    link: EdgeLink, options: Options, frames: Frame, rates: dict[float, float], count: int, advance: Advance
) -> list[dict[str, Any]]:
    """Wall-clock seconds of each option at each rate: medians over ``count`` frames, beside what the rate asks for.

    Args:
        link: Open.
        options: Of this process.
        frames: (N, 48, 48).
        rates: Rate in bit/s by distance in metres.
        count: Inferences per option and rate.
        advance: Called once per rate.
    """
    rows = []
    for distance_m, rate in rates.items():
        for local in options.local:
            local.reset()
            began = time.perf_counter()
            for frame in frames[:count]:
                scores(local.model, frame)
            taken = (time.perf_counter() - began) / count
            rows.append(_timing(distance_m, rate, local.name, taken, 0.0, 0.0, 0.0))
        link.shape(RateSchedule.constant(rate))
        for option in options.offload:
            link.reset(option.name)
            # A first whole frame fills both ends' memories; it is not what incremental offloading sends later.
            skip = 1 if isinstance(option, TileOption) else 0
            replies = [link.infer(option.name, frame) for frame in frames[: count + skip]][skip:]
            rows.append(
                _timing(
                    distance_m,
                    rate,
                    option.name,
                    median(reply.encode_s for reply in replies),
                    median(reply.send_s for reply in replies),
                    median(8.0 * reply.up_bytes / rate for reply in replies),
                    median(reply.answer_s for reply in replies),
                )
            )
        advance(f"{rate / 1e6:.2f} Mbit/s")
    return rows


def _timing(
    distance_m: float, rate: float, name: str, encode_s: float, send_s: float, ideal_s: float, answer_s: float
) -> dict[str, Any]:
    return {
        "distance_m": distance_m,
        "rate_bit_per_s": rate,
        "option": name,
        "terminal_wall_s": encode_s,
        "send_wall_s": send_s,
        "send_at_rate_s": ideal_s,
        "answer_wall_s": answer_s,
        "latency_wall_s": encode_s + send_s + answer_s,
    }
