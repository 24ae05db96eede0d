"""Two users on one edge server, executed: two terminals at the same time, each with its share of a shaped link.

Each terminal is a thread with a connection, options and frames of its own; the server's process works on one frame at a
time. Beside what was measured stands the simulation of the same frames (edge_node/splitting/shared.py), at the speeds
that this machine showed with one user alone: it is the same model with which more users are simulated.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from edge_node.splitting.controller import Scene
from edge_node.splitting.energy import Link
from edge_node.splitting.incremental import Frame
from edge_node.splitting.shared import simulate
from experiments.errors import RunError
from experiments.report.claims.figure import ClaimFigure
from experiments.studies.terminal.checks import check
from experiments.studies.terminal.client import Counts, EdgeLink, EdgeServer, Reply, Served
from experiments.studies.terminal.measure import Advance, accuracy
from experiments.studies.terminal.options import OffloadOption, Options, scores
from experiments.studies.terminal.settings import FRAME_PERIOD_S
from experiments.studies.terminal.shaper import RateSchedule

TOGETHER = 2
DISTANCE_M = 500.0
"""Of the link's rate: frames of two users are answered within their period."""
EXECUTED = ("full", "cut 3")
"""Whole frames, and the last cut: most and least work at the server."""
RUNS = len(EXECUTED) * 3
"""One user alone, and two at each offset, by each option."""
APART_S = (0.0, FRAME_PERIOD_S / 2)
"""How long after the first user's frames those of the second come."""
SAME_SCORES = 1e-5
"""Largest difference of a class score that float32 additions in another order make."""


@dataclass(frozen=True, slots=True)
class Ran:
    """All frames of one user."""

    due_s: NDArray[np.float64]
    """When the camera gave each frame; s of the machine's monotone clock."""
    done_s: NDArray[np.float64]
    """When the terminal had the answer."""
    replies: list[Reply]
    served: list[Served]
    here: Counts
    there: Counts


def run_together(
    links: Sequence[EdgeLink], name: str, frames: Sequence[Frame], rate: float, apart_s: float
) -> list[Ran]:
    """Every user sends its ``frames`` by the option ``name``, one each period, ``apart_s`` after the user before it.

    ``links``: one for each user; ``rate``: bit/s of a user that has the air to itself; each has its share. A frame
    whose predecessor is not yet answered is sent once it is. Raises what any of the users raised."""
    users = len(links)
    found: dict[int, Ran] = {}
    failed: list[BaseException] = []
    for link, own in zip(links, frames, strict=True):
        link.shape(RateSchedule.constant(float("inf")))
        link.reset(name)
        link.infer(name, own[0])  # before the clock starts: what is loaded late is loaded
        link.counts()
        link.times()
        link.shape(RateSchedule.constant(rate / users))
    start_s = time.perf_counter() + FRAME_PERIOD_S

    def user(number: int) -> None:
        try:
            found[number] = _one(links[number], name, frames[number], start_s + number * apart_s)
        except BaseException as error:  # raised again by who waits
            failed.append(error)

    threads = [threading.Thread(target=user, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return [found[number] for number in range(users)]


def _one(link: EdgeLink, name: str, frames: Frame, begin_s: float) -> Ran:
    due = begin_s + FRAME_PERIOD_S * np.arange(len(frames), dtype=np.float64)
    done, replies = [], []
    for frame, at in zip(frames, due, strict=True):
        wait_s = at - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        replies.append(link.infer(name, frame))
        done.append(time.perf_counter())
    served = link.times()
    here, there = link.counts()
    return Ran(due, np.array(done), replies, served, here, there)


def executed_users(
    models: Path,
    digest: str,
    log: Path,
    make_options: Callable[[], Options],
    scene: Scene,
    link: Link,
    frames: Frame,
    labels: NDArray[np.int64],
    count: int,
    advance: Advance,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What no clock changes, and what was measured: a row each for one user and for two, by option and offset.

    ``count``: frames of each user, at least 1; users have different ones. Raises RunError where both ends counted
    different bytes."""
    facts, measured = [], []
    options = [make_options() for _ in range(TOGETHER)]
    with EdgeServer(models, digest, log, TOGETHER) as server, ExitStack() as open_:
        links = [open_.enter_context(server.link(each)) for each in options]
        for name in EXECUTED:
            option = next(each for each in options[0].offload if each.name == name)
            alone: list[Ran] = []
            for users, apart_s in ((1, 0.0), *((TOGETHER, apart_s) for apart_s in APART_S)):
                own = [frames[user * count : (user + 1) * count] for user in range(users)]
                ran = run_together(links[:users], name, own, link.up_bit_per_s, apart_s)
                alone = alone or ran
                place = {"option": name, "users": users, "apart_s": apart_s, "frames": count}
                facts.append(place | _facts(ran, options[0], own, labels, count))
                measured.append(place | _measured(ran, alone[0], option, scene, link, apart_s))
                advance(f"{users} of two users, {name}")
    return pd.DataFrame(facts), pd.DataFrame(measured)


def _facts(
    ran: list[Ran], options: Options, own: list[Frame], labels: NDArray[np.int64], count: int
) -> dict[str, Any]:
    for user, one in enumerate(ran):
        if one.here != one.there:
            raise RunError(f"user {user}: the terminal counted {one.here}, the server {one.there}")
    base = options.local[0].model
    found = [reply.logits for one in ran for reply in one.replies]
    expected = [scores(base, frame) for frames in own for frame in frames]
    served = sorted((each for one in ran for each in one.served), key=lambda each: each.began_s)
    began, done = (np.array([getattr(each, name) for each in served]) for name in ("began_s", "done_s"))
    arrived = np.array([each.arrived_s for each in served])
    return {
        "accuracy_fraction": accuracy(found, labels[: len(ran) * count]),
        "max_difference": float((torch.stack(found) - torch.stack(expected)).abs().max()),
        "up_bytes": sum(one.here.up_bytes for one in ran) / len(found),
        "down_bytes": sum(one.here.down_bytes for one in ran) / len(found),
        "served": len(served),
        "overlaps": int((began[1:] < done[:-1]).sum()),
        "overtaken": int((np.diff(arrived) < 0).sum()),
    }


def _measured(
    ran: list[Ran], alone: Ran, option: OffloadOption, scene: Scene, link: Link, apart_s: float
) -> dict[str, Any]:
    """Medians over all frames, executed and simulated. ``alone``: one user, whose speeds the simulation takes."""
    split = option.split()
    server_s = float(np.median([each.done_s - each.began_s for each in alone.served]))
    encode_s = float(np.median([reply.encode_s for reply in alone.replies]))
    there = replace(scene.server, flop_per_s=split.server_flop / server_s)
    terminal = scene.terminal
    if split.terminal_flop:
        terminal = replace(terminal, clock_hz=split.terminal_flop / encode_s * terminal.cycles_per_flop)
    offsets = [user * apart_s for user in range(len(ran))]
    count = len(alone.replies)
    # answers are not shaped: they cross this machine alone
    fast = replace(link, down_bit_per_s=1e12)
    expected = simulate(
        [split] * len(ran), offsets, terminal, there, scene.access_point, fast, FRAME_PERIOD_S, count
    )
    waited = [each.began_s - each.arrived_s for one in ran for each in one.served]
    latency = np.concatenate([one.done_s - one.due_s for one in ran])
    queued = expected.served_s - expected.at_server_s - server_s
    return {
        "server_wall_s": server_s,
        "waited_wall_s": float(np.median(waited)),
        "waited_simulated_s": float(np.median(queued)),
        "latency_wall_s": float(np.median(latency)),
        "latency_simulated_s": float(np.median(expected.latency_s)),
        "late_fraction": float((latency > FRAME_PERIOD_S).mean()),
    }


def beside_each_other(executed: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Both tables of ``executed_users`` as one, row by row."""
    return executed.merge(measured, on=["option", "users", "apart_s", "frames"], validate="one_to_one")


def judge(executed: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The verdict, from the first table of ``executed_users``."""
    both = executed[executed["users"] == TOGETHER]
    difference, broken = (
        float(both["max_difference"].max()),
        int((both["overlaps"] + both["overtaken"]).sum()),
    )
    frames, served = int((both["frames"] * both["users"]).sum()), int(both["served"].sum())
    return {
        "two-users": check(
            difference <= SAME_SCORES and broken == 0 and served == frames,
            "Two users on one server, executed at the same time: every frame is answered once and as the unsplit model "
            "answers it, and the server works on one frame at a time, in the order in which they come.",
            f"{served} of {frames} frames served, largest difference of a class score {difference:.1e}, "
            f"{broken} overlap or are overtaken",
            ClaimFigure("largest difference of a class score", ours=difference, at_most=SAME_SCORES),
        )
    }
