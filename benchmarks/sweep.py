"""Sweeps: are two workers twice one, and what does a kept result cost?

One and two workers compute the same cells in turn, each time with an empty cache; then a further sweep finds all of
them kept. Times are of the whole sweep, start of the processes and tables included; pages are not drawn.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks._command import against, measuring, parser, show
from experiments.fleet.machine import cpu_count
from experiments.scenario.model import parse_scenario
from experiments.sweep.axes import parse_axes
from experiments.sweep.plan import Plan, make_plan
from experiments.sweep.sweep import run_sweep
from experiments.sweep.work.local import LocalWorkers

LEAST = {"two workers at least 1.8 times one": 1.8}
MOST = {"cache hits under 50 ms a cell": 50.0}
"""Issue 17, point 1."""
SCENARIO = """name = "sweep"
policy = "local"
[stages]
preparation = 0
development = {rounds}
application = 1
recycling = 0
[time]
start = 2022-06-21T12:00:00Z
[task]
data = "digits"
[[nodes]]
zone = "DE"
count = 4
"""


def plan_of(cells: int, rounds: int) -> Plan:
    """Cells that cost the same."""
    axes = parse_axes([f"network.router_w=1:{cells}:1"], random=False)
    return make_plan(parse_scenario(SCENARIO.format(rounds=rounds)), axes, None, seeds=1)


def swept_s(plan: Plan, workers: int, folder: Path, cache: Path) -> tuple[float, int]:
    """Wall seconds of a sweep, and how many runs it computed."""
    began = time.perf_counter()
    found = run_sweep(
        plan, folder, LocalWorkers(workers, folder), Console(stderr=True), quiet=True, cache=cache
    )
    if found.failed:
        raise RuntimeError(f"a run of the benchmark failed: {found.failed}")
    return time.perf_counter() - began, found.computed


def measure(say: Callable[[str], None], cells: int, rounds: int, turns: int) -> dict[str, Any]:
    plan = plan_of(cells, rounds)
    ratios, seconds, hits_ms = [], {1: [0.0] * turns, 2: [0.0] * turns}, []
    with tempfile.TemporaryDirectory() as place:
        for turn in range(turns):
            for workers in (1, 2) if turn % 2 == 0 else (2, 1):
                say(f"turn {turn + 1} of {turns}: {workers} workers")
                name = f"{turn}-{workers}"
                cache = Path(place) / f"cache-{name}"
                seconds[workers][turn], computed = swept_s(plan, workers, Path(place) / name, cache)
                assert computed == cells
                again_s, computed = swept_s(plan, workers, Path(place) / f"{name}-again", cache)
                assert computed == 0
                hits_ms.append(1000 * again_s / cells)
            ratios.append(seconds[1][turn] / seconds[2][turn])
    ratio, hit_ms = statistics.median(ratios), statistics.median(hits_ms)
    return {
        "figures": {
            "cores": cpu_count(),
            "cells": cells,
            "turns": turns,
            "one worker (s)": statistics.median(seconds[1]),
            "two workers (s)": statistics.median(seconds[2]),
            "two workers against one": ratio,
            "lowest turn": min(ratios),
            "cache hit (ms a cell)": hit_ms,
        },
        "goals": against(LEAST, dict.fromkeys(LEAST, ratio), ">=")
        | against(MOST, dict.fromkeys(MOST, hit_ms), "<="),
    }


def main() -> None:
    options = parser(__doc__, "one turn of few short cells: start of processes counts for more").parse_args()
    cells, rounds, turns = (8, 4, 1) if options.quick else (24, 12, 3)
    found = measuring(lambda say: measure(say, cells, rounds, turns))
    if options.quick:
        found["deferred"] = ["24 cells of 12 rounds, three turns"]
    show(found, options.json)


if __name__ == "__main__":
    main()
