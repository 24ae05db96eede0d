"""Speed of the case study of the TREE paper: packets per minute on one core, and against the SimPy reference.

Usage: ``python -m benchmarks.case_study [--quick] [--json]``. Only packets that were delivered count; the load
is below saturation, so that hardly any is dropped (a dropped packet takes almost no time to simulate). Both
engines see the same traffic in the same run, in turns, and their outcomes are compared before any time is shown.
The goal is held against the wall clock, which on a busy machine is the stricter; CPU time stands beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks._command import measuring, parser, show
from experiments.studies.tree.engine import simulate
from experiments.studies.tree.model import (
    Discipline,
    Fate,
    Machine,
    Outcome,
    Service,
    SleepMode,
    Traffic,
    build_machine,
)
from experiments.studies.tree.parameters import load_parameters
from experiments.studies.tree.simpy_model import simulate_simpy
from experiments.studies.tree.traffic import draw

GOAL_PACKETS_PER_MINUTE = 1e6
_LOADS = (0.6, 0.35, 0.35)
"""VR as share of the downlink; VU and VG as shares of the edge server."""


@dataclass(frozen=True, slots=True)
class _Time:
    wall_s: float
    cpu_s: float


def _timed(
    engine: Callable[[Traffic, Machine], Outcome], traffic: Traffic, machine: Machine
) -> tuple[_Time, Outcome]:
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = engine(traffic, machine)
    return _Time(time.perf_counter() - wall, time.process_time() - cpu), outcome


def measure(packets: int, repeats: int) -> dict[str, Any]:
    """Both engines on about ``packets`` packets under joint sleep, one process, in turns; medians of ``repeats``.

    Raises:
        RuntimeError: the two engines disagree.
    """
    machine = build_machine(load_parameters(), Discipline.VR_FIRST, SleepMode.JOINT)
    rates = [load * machine.capacity_per_s(s) for s, load in zip(Service, _LOADS, strict=True)]
    fast: list[_Time] = []
    slow: list[_Time] = []
    delivered, dropped = [], []
    for seed in range(repeats):
        traffic = draw(seed, rates, packets / sum(rates))
        time_fast, outcome = _timed(simulate, traffic, machine)
        time_slow, reference = _timed(simulate_simpy, traffic, machine)
        if not (
            np.array_equal(outcome.delivered_ps, reference.delivered_ps)
            and np.array_equal(outcome.server_ps, reference.server_ps)
            and np.array_equal(outcome.station_ps, reference.station_ps)
        ):
            raise RuntimeError(
                f"engines disagree on seed {seed}; run tests/experiments/studies/tree/test_engine.py"
            )
        fast.append(time_fast)
        slow.append(time_slow)
        delivered.append(int((outcome.fate == Fate.DELIVERED).sum()))
        dropped.append(int((outcome.fate == Fate.DROPPED).sum()))

    def per_minute(seconds: list[float]) -> float:
        return statistics.median(60.0 * n / s for n, s in zip(delivered, seconds, strict=True))

    return {
        "packets_per_minute_one_core": per_minute([t.wall_s for t in fast]),
        "packets_per_cpu_minute": per_minute([t.cpu_s for t in fast]),
        "simpy_packets_per_minute_one_core": per_minute([t.wall_s for t in slow]),
        "simpy_packets_per_cpu_minute": per_minute([t.cpu_s for t in slow]),
        "speed_up_over_simpy": statistics.median(s.cpu_s / f.cpu_s for s, f in zip(slow, fast, strict=True)),
        "packets_delivered": sum(delivered),
        "packets_dropped": sum(dropped),
        "repeats": repeats,
    }


def run(*, quick: bool) -> dict[str, Any]:
    """Figures and goals, as printed with --json."""
    figures = measure(packets=20_000 if quick else 200_000, repeats=3 if quick else 5)
    value = figures["packets_per_minute_one_core"]
    goal = {
        "op": ">=",
        "goal": GOAL_PACKETS_PER_MINUTE,
        "value": value,
        "met": value >= GOAL_PACKETS_PER_MINUTE,
    }
    return {"figures": figures, "goals": {"packets_per_minute_one_core": goal}}


def main() -> None:
    arguments = parser(__doc__, "fewer packets and repeats").parse_args()
    show(measuring(lambda _say: run(quick=arguments.quick)), arguments.json)


if __name__ == "__main__":
    main()
