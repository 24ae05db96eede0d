"""Runs on the wall clock for benchmarks.meters: schedule, joules and harvest of slots, overruns, clocks that differ."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from coordinator.ledger import verify
from edge_node.slots.execution import Execution
from edge_node.slots.node import EdgeNode
from edge_node.tasks.workload import TaskWorkload
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Overrun

SLOTS, SLOT_S, WATTS = 20, 2.0, 3.0
SHORT_SLOTS, SHORT_S, LONG_SLOT, TIMES = 6, 0.5, 2, 2.6
"""Of the forced overrun: one slot's work takes so many slots."""
OFF_NS = (5 * 10**9, -5 * 10**9)
SCENARIO = """policy = "local"
[time]
clock = "wall"
overrun = "{overrun}"
slot_s = {slot_s}
start = 2022-06-21T16:00:00Z
[stages]
preparation = 0
development = {slots}
application = 0
recycling = 0
[task]
data = "digits"
batches_per_slot = 4
local_epochs = 1
[tolerance]
unserved_fraction = 1.0
[fleet]
kind = "inprocess"
meter = "recording:{recording},repeat"
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
"""


def run(
    folder: Path, slots: int, slot_s: float, overrun: str = "stretch"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables ``slots`` and ``decisions`` of a run in ``folder``, which has sensors of constant power; ``slots`` with
    the harvested power of the trace. Raises RuntimeError for books that are not sound."""
    folder.mkdir(parents=True)
    (recording := folder / "steady.csv").write_text(f"at_s,power_w\n0,{WATTS}\n3600,{WATTS}\n")
    text = SCENARIO.format(overrun=overrun, slot_s=slot_s, slots=slots, recording=recording)
    resolved = resolve(parse_scenario(text))
    with InProcessFleet() as fleet:
        execute(resolved, folder / "run", fleet)
    report = verify(folder / "run" / "ledger.sqlite")
    if not report.ok:
        raise RuntimeError(f"{folder}: {report.findings[0]}")
    found = pd.read_parquet(folder / "run" / "slots.parquet")
    power_w = {node: resolved.harvests[i].power_w for i, node in enumerate(resolved.node_ids)}
    found["power_w"] = [
        power_w[node][slot] for node, slot in zip(found["node_id"], found["slot"], strict=True)
    ]
    return found, pd.read_parquet(folder / "run" / "decisions.parquet")


def schedule(folder: Path) -> dict[str, float]:
    """20 slots of 2 s."""
    slots, decisions = run(folder, SLOTS, SLOT_S)
    late_s = float(decisions["duration_s"].sum() - decisions["overrun_s"].sum() - SLOTS * SLOT_S)
    joules = (slots["demand_j"] / (WATTS * slots["duration_s"]) - 1).abs()
    harvest_j = (slots["harvest_j"] - slots["power_w"] * slots["duration_s"]).abs()
    return {
        "wall_drift_s": abs(late_s),
        "wall_overrun_s": float(decisions["overrun_s"].sum()),
        "wall_joules_largest_error": float(joules.max()),
        "wall_harvest_largest_difference_j": float(harvest_j.max()),
        "wall_node_slot_largest_difference_s": float(
            (slots.groupby("slot")["duration_s"].mean() - decisions.set_index("slot")["duration_s"])
            .abs()
            .max()
        ),
    }


@contextmanager
def one_long_slot() -> Iterator[None]:
    """The work of slot LONG_SLOT, eight batches of two nodes in one process, takes TIMES slots."""
    at = [0]
    begin: Callable[..., Any] = Execution.begin
    step: Callable[..., Any] = TaskWorkload._number

    def begun(self: Execution, slot: Any) -> Any:
        at[0] = slot.slot
        return begin(self, slot)

    def slow(self: TaskWorkload, *arguments: Any) -> Any:
        time.sleep(TIMES * SHORT_S / 8 if at[0] == LONG_SLOT else 0.0)
        return step(self, *arguments)

    with mock.patch.object(Execution, "begin", begun), mock.patch.object(TaskWorkload, "_number", slow):
        yield


def overruns(folder: Path) -> dict[str, float]:
    """How many of the policies book a forced overrun as theirs."""
    booked = {}
    with one_long_slot():
        for overrun in Overrun:
            _, decisions = run(folder / overrun, SHORT_SLOTS, SHORT_S, overrun)
            long = decisions.set_index("slot").loc[LONG_SLOT]
            booked[overrun] = {
                Overrun.STRETCH: long["overrun_s"] > SHORT_S and long["undone_batches"] == 0,
                Overrun.SKIP: bool(decisions["missed"][LONG_SLOT + 1]) and long["undone_batches"] == 0,
                Overrun.CUT: long["undone_batches"] > 0 and not decisions["missed"].any(),
            }[overrun]
    return {"overrun_policies_booked": float(sum(map(bool, booked.values())))}


def order_of(folder: Path) -> list[tuple[str, int]]:
    """Kinds and slots of a ledger's entries, each once, in their order."""
    with sqlite3.connect(folder / "run" / "ledger.sqlite") as connection:
        rows = connection.execute(
            "SELECT kind, slot FROM entries WHERE slot IS NOT NULL ORDER BY id"
        ).fetchall()
    return list(dict.fromkeys(rows))


def offset_clocks(folder: Path) -> dict[str, float]:
    """Places at which the order of a run with clocks off by 5 s, one forward and one back, differs; and how far the
    measured offsets are from the true ones, with the largest uncertainty."""
    run(folder / "right", SHORT_SLOTS, SHORT_S)
    off_ns = iter(OFF_NS)

    def off(*arguments: Any, **named: Any) -> EdgeNode:
        by_ns = next(off_ns)
        return EdgeNode(*arguments, **(named | {"clock_ns": lambda: time.monotonic_ns() + by_ns}))

    with mock.patch("edge_node.build.EdgeNode", off):
        slots, _ = run(folder / "off", SHORT_SLOTS, SHORT_S)
    right, found = order_of(folder / "right"), order_of(folder / "off")
    differ = sum(one != other for one, other in zip(right, found, strict=False))
    errors_s = [
        (rows["clock_offset_s"] - by_ns / 1e9).abs().max()
        for (_, rows), by_ns in zip(slots.groupby("node_id"), OFF_NS, strict=True)
    ]
    return {
        "clocks_off_by_5_s_out_of_order": float(differ + abs(len(right) - len(found))),
        "clocks_off_by_5_s_largest_error_s": float(max(errors_s)),
        "clocks_off_by_5_s_largest_uncertainty_s": float(slots["clock_uncertainty_s"].max()),
    }
