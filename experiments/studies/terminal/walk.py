"""A walk away from the access point and back: the link changes, the partition follows it.

The controller knows the rate of the frame before (what a radio reports), never the present one. Joules are (E3) at
the present rate. The run with hysteresis is executed: frames in real time over the shaped link.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch

from edge_node.splitting.controller import Option, Rules, Scene, State, best, decide
from edge_node.splitting.energy import Link
from edge_node.splitting.incremental import Frame
from edge_node.splitting.parameters import Parameters
from experiments.studies.terminal.client import EdgeLink
from experiments.studies.terminal.measure import Labels
from experiments.studies.terminal.options import Options, scores
from experiments.studies.terminal.settings import FRAME_PERIOD_S
from experiments.studies.terminal.shaper import RateSchedule

NEAR_M, FAR_M = 50.0, 1500.0
SHADOWING_DB = 4.0
"""Deviation: choice, the 4 to 8 dB usual for shadow fading."""
SHADOWING_FRAMES = 10.0
"""Correlation: exp(-1 / this) from frame to frame."""
HYSTERESIS = "with hysteresis"
EAGER = "without hysteresis"
ORACLE = "best at every frame"
WALKS = 20
"""Walks over which following the link is judged; one of them is executed."""


@dataclass(frozen=True)
class Walk:
    """Link by frame."""

    distance_m: list[float]
    links: list[Link]


def draw_walk(parameters: Parameters, frames: int, seed: int) -> Walk:
    """There and back once, the distance growing by equal factors, with correlated shadowing; the same by seed."""
    rng = np.random.default_rng((seed, 3))
    way = 0.5 * (1.0 - np.cos(2.0 * np.pi * np.arange(frames) / frames))
    distances = NEAR_M * (FAR_M / NEAR_M) ** way
    keep = np.exp(-1.0 / SHADOWING_FRAMES)
    shadow, shadows = rng.normal(0.0, SHADOWING_DB), []
    for _ in range(frames):
        shadow = keep * shadow + np.sqrt(1.0 - keep**2) * rng.normal(0.0, SHADOWING_DB)
        shadows.append(float(shadow))
    links = [parameters.link(float(d), s) for d, s in zip(distances, shadows, strict=True)]
    return Walk([float(d) for d in distances], links)


def plan(walk: Walk, options: dict[str, Option], scene: Scene, rules: Rules) -> dict[str, list[str]]:
    """Option by frame for every way to decide; fixed ways go by the option's own name."""
    eager = Rules(
        rules.objective, rules.deadline_s, rules.least_accuracy_fraction, margin_fraction=0.0, hold=1
    )
    begin = best(options, scene, walk.links[0], rules)
    plans = {
        name: [name] * len(walk.links)
        for name, option in options.items()
        if option.accuracy_fraction >= rules.least_accuracy_fraction
    }
    plans[ORACLE] = [best(options, scene, link, rules) for link in walk.links]
    for name, applied in ((EAGER, eager), (HYSTERESIS, rules)):
        state, chosen = State(begin), [begin]
        for before in walk.links[:-1]:
            state = decide(state, options, scene, before, applied)
            chosen.append(state.current)
        plans[name] = chosen
    return plans


def cost_of_plans(
    walk: Walk, plans: dict[str, list[str]], options: dict[str, Option], scene: Scene, deadline_s: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows by way and frame, and totals by way."""
    rows: list[dict[str, Any]] = []
    for way, chosen in plans.items():
        for index, (name, link) in enumerate(zip(chosen, walk.links, strict=True)):
            spent = scene.cost(options[name].split, link)
            rows.append(
                {
                    "way": way,
                    "frame": index,
                    "time_s": index * FRAME_PERIOD_S,
                    "distance_m": walk.distance_m[index],
                    "rate_bit_per_s": link.up_bit_per_s,
                    "option": name,
                    "terminal_j": spent.terminal_j,
                    "system_j": spent.system_j,
                    "latency_s": spent.latency_s,
                    "up_bytes": options[name].split.up_bytes,
                }
            )
    frames = pd.DataFrame(rows)
    totals = []
    for way in plans:
        part = frames[frames["way"] == way]
        names = part["option"].tolist()
        totals.append(
            {
                "way": way,
                "terminal_j": part["terminal_j"].sum(),
                "system_j": part["system_j"].sum(),
                "latency_mean_s": part["latency_s"].mean(),
                "late_frames": int((part["latency_s"] > deadline_s).sum()),
                "changes": sum(a != b for a, b in pairwise(names)),
                "up_bytes": part["up_bytes"].sum(),
                "frames": len(part),
            }
        )
    return frames, pd.DataFrame(totals)


def repeat_walks(
    parameters: Parameters,
    options: dict[str, Option],
    scene: Scene,
    rules: Rules,
    frames: int,
    seeds: Iterable[int],
) -> pd.DataFrame:
    """Totals by seed and way: the same ways on other draws of the shadowing."""
    found = []
    for seed in seeds:
        walk = draw_walk(parameters, frames, seed)
        totals = cost_of_plans(walk, plan(walk, options, scene, rules), options, scene, rules.deadline_s)[1]
        found.append(totals.assign(seed=seed))
    return pd.concat(found, ignore_index=True)


def execute_plan(
    link: EdgeLink,
    options: Options,
    walk: Walk,
    chosen: list[str],
    frames: Frame,
    labels: Labels,
    advance: Callable[[str], None],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Run the chosen options in real time over the link, whose rate follows the walk.

    Returns:
        Wall-clock rows by frame (they differ from run to run), and what does not: accuracy and bytes on both ends.
    """
    local = {option.name: option for option in options.local}
    link.counts()
    schedule = RateSchedule.stepped([moment.up_bit_per_s for moment in walk.links], FRAME_PERIOD_S)
    link.shape(schedule)
    rows, right, sent = [], 0, 0
    for index, name in enumerate(chosen):
        wait_s = index * FRAME_PERIOD_S - link.sender.elapsed_s
        if wait_s > 0:
            time.sleep(wait_s)
        began = time.perf_counter()
        at_s = link.sender.elapsed_s
        frame = frames[index % len(frames)]
        if name in local:
            logits, up, send_s = scores(local[name].model, frame), 0, 0.0
        else:
            reply = link.infer(name, frame)
            logits, up, send_s = reply.logits, reply.up_bytes, reply.send_s
        right += int(torch.argmax(logits)) == labels[index % len(frames)]
        sent += up
        rows.append(
            {
                "frame": index,
                "due_s": index * FRAME_PERIOD_S,
                "started_s": at_s,
                "option": name,
                "up_bytes": up,
                "send_wall_s": send_s,
                "latency_wall_s": time.perf_counter() - began,
                "goodput_bit_per_s": 8.0 * up / send_s if send_s > 0 else None,
            }
        )
        advance(name)
    here, there = link.counts()
    facts = {
        "accuracy_fraction": right / len(chosen),
        "frames": len(chosen),
        "up_bytes_by_frame": sent,
        "up_bytes_terminal": here.up_bytes,
        "up_bytes_server": there.up_bytes,
    }
    return pd.DataFrame(rows), facts
