"""What it costs in grams to plan a fleet a few times a day, and to decide slot by slot with the worth of stored energy.

Claim:   DETA that looks one slot ahead and plans the day twice, as it does from 60 nodes on, emits at most 0.3 points
         of LOCAL more than DETA that plans 24 slots in every slot, on average over the 60 worlds of
         benchmarks.policies, with perfect forecasts and under persistence.
Cost:    --quick within a minute on two cores: the worlds of at most 5 nodes among the first eight seeds. Otherwise
         about fifteen.
Command: python -m benchmarks.plans [--quick] [--json]

The fleets of these worlds have 3 to 20 nodes, which are planned four times a day in use: how often is given here.
Once, twice and four times a day are shown side by side; how long a run of a large fleet takes with each is in
docs/performance.md.
"""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks._command import against, measuring, parser, show
from benchmarks.policies import KINDS, NEVER_ABOVE_LOCAL, QUICK_NODES, QUICK_SEEDS, SEEDS, WORKERS, Job, told
from coordinator.market.outlook import LARGE_PLANS_PER_DAY
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import Information, simulate

FORECASTS = ("perfect", "persistence")
PER_DAY = (1, 2, 4)
WHOLE = 24
"""Slots of a plan that is made in every slot."""
MOST_POINTS = 0.3


def measure(job: Job) -> dict[str, float]:
    """Grams of one world: LOCAL's, of a plan of 24 slots in every slot (``whole``), and by plans a day."""
    world = KINDS[job.kind](job.seed)
    found = {
        "local": simulate(world, make_policy("local"), Information(1)).emissions_g,
        "whole": simulate(world, make_policy("deta"), told(job, WHOLE)).emissions_g,
    }
    for plans in PER_DAY:
        run = simulate(world, make_policy("deta", plans_per_day=plans), told(job, 1))
        found[str(plans)] = run.emissions_g
    return found


def jobs(quick: bool) -> list[Job]:
    """Every world under both forecasts, large ones first."""
    found = [Job("mixed", seed, forecast) for seed in range(SEEDS) for forecast in FORECASTS]
    nodes = {job.seed: KINDS["mixed"](job.seed).fleet.size for job in found}
    if quick:
        found = [job for job in found if job.seed < QUICK_SEEDS and nodes[job.seed] <= QUICK_NODES]
    return sorted(found, key=lambda job: -nodes[job.seed])


def points(rows: Sequence[dict[str, float]], plans: int) -> list[float]:
    """By world: what is emitted more than with a plan of 24 slots in every slot, in points of LOCAL."""
    return [100.0 * (row[str(plans)] - row["whole"]) / row["local"] for row in rows]


def result(rows: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Figures and goals from the worlds of each forecast."""
    figures: dict[str, Any] = {}
    for forecast, here in rows.items():
        figures[f"{forecast}_worlds"] = len(here)
        figures[f"{forecast}_whole_of_local"] = statistics.fmean(row["whole"] / row["local"] for row in here)
        for plans in PER_DAY:
            name, lost = f"{forecast}_{plans}_a_day", points(here, plans)
            figures[f"{name}_points"] = statistics.fmean(lost)
            figures[f"{name}_most_points"] = max(lost)
            worse = [row[str(plans)] > NEVER_ABOVE_LOCAL * row["local"] for row in here]
            figures[f"{name}_worse_than_local"] = sum(worse)
    names = {f"{forecast}_{LARGE_PLANS_PER_DAY}_a_day_points": MOST_POINTS for forecast in rows}
    return {"figures": figures, "goals": against(names, figures, "<=")}


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything: figures and goals."""
    wanted = jobs(quick)
    rows: dict[str, list[dict[str, float]]] = {forecast: [] for forecast in FORECASTS}
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        for count, (job, row) in enumerate(zip(wanted, pool.map(measure, wanted), strict=True), 1):
            rows[job.forecast].append(row)
            say(f"{count} of {len(wanted)} worlds measured")
    return result(rows)


def main() -> None:
    arguments = parser(
        __doc__, "worlds of at most 5 nodes among the first eight seeds: within a minute"
    ).parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
