"""Train the learned policy of base stations: a cross-entropy search over its weights.

Command: python -m experiments.studies.stations.train [--generations N] [--seed S] [--output FILE]. It writes
learned.json: weights, and how they came about. Days of training are of other months and other traffic than the study's,
settings those of stations.toml. The search (R. Y. Rubinstein, "The cross-entropy method for combinatorial and
continuous optimization", Methodology and Computing in Applied Probability 1, 1999) draws weights from a normal
distribution and moves it to the best of them. It begins where cells with the least traffic sleep first, all that can,
and batteries give all they can. Every EVERY generations its mean is judged on all days of training; the best of these
means is kept."""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.policies.local import Local
from coordinator.simulator.simulate import Information, simulate
from experiments.studies.stations.covered import Covered
from experiments.studies.stations.learned import SCORES, SEEN, Learned
from experiments.studies.stations.world import day, network_of, settings, world_of

MONTHS = (1, 2, 4, 5, 7, 8, 10, 11)
"""Those of the study are the others (plan.MONTHS)."""
FIRST_SEED = 1000
"""Of traffic and clouds; the study's begin at 0."""
DRAWN, KEPT, DAYS = 24, 6, 4
"""Weights of a generation, the best of them, and days that each is judged on. [C]"""
EVERY = 4
"""Generations between two records; a search that is ended early is a shorter one."""
FIRST_DEVIATION, LEAST_DEVIATION = 0.5, 0.02
BLOCKED_COST = 10.0
"""Of the share of traffic blocked, in always-on's grams: far above what sleep can save."""

Weights = NDArray[np.float64]


def start() -> Weights:
    """(SCORES, SEEN) weights of the start."""
    found = np.zeros((len(SCORES), len(SEEN)))
    found[0, SEEN.index("one")], found[0, SEEN.index("traffic, share of what a cell carries")] = 1.0, -1.0
    found[1, SEEN.index("one")] = 1.0
    return found


class Days:
    """Days of training, each with always-on's grams."""

    def __init__(self, count: int) -> None:
        """``count``: days, the months in turn."""
        given = settings()
        self._network = network_of(given)
        self._worlds = [world_of(given, day(MONTHS[k % len(MONTHS)]), FIRST_SEED + k) for k in range(count)]
        self._offered = [
            int(world.fleet.backlog_batches.sum() + world.fleet.release_batches.sum())
            for world in self._worlds
        ]
        always = Covered(Local(), self._network)
        self._always_g = [simulate(world, always, Information(1)).emissions_g for world in self._worlds]

    def __len__(self) -> int:
        return len(self._worlds)

    def cost(self, weights: Weights, which: NDArray[np.int64]) -> float:
        """Mean of grams over always-on's, and of blocked traffic at its cost, over the days ``which``."""
        policy = Covered(Learned(self._network, weights), self._network)
        found = []
        for one in which.tolist():
            run = simulate(self._worlds[one], policy, Information(1))
            blocked = float(run.unserved_batches.sum()) / self._offered[one]
            found.append(run.emissions_g / self._always_g[one] + BLOCKED_COST * blocked)
        return float(np.mean(found))


def train(generations: int, seed: int, output: Path, count: int = DAYS * len(MONTHS)) -> dict[str, Any]:
    """Search, write ``output`` after every EVERY generations and at the end, and return the record. ``count``: days of
    training. Raises ValueError for less than a generation."""
    if generations < 1:
        raise ValueError(f"generations is {generations}; allowed is 1 or more")
    rng = np.random.default_rng(seed)
    days = Days(count)
    every = np.arange(len(days))
    mean = start()
    deviation = np.full(mean.shape, FIRST_DEVIATION)
    curve: list[dict[str, float]] = [{"generation": 0, "cost": round(days.cost(mean, every), 5)}]
    kept = (curve[0]["cost"], 0, mean)
    for generation in range(1, generations + 1):
        which = rng.choice(every, min(DAYS, len(days)), replace=False)
        drawn = mean + deviation * rng.standard_normal((DRAWN, *mean.shape))
        drawn[0] = mean
        costs = np.array([days.cost(one, which) for one in drawn])
        best = np.argsort(costs, kind="stable")[:KEPT]
        mean, deviation = drawn[best].mean(axis=0), np.maximum(drawn[best].std(axis=0), LEAST_DEVIATION)
        curve.append({"generation": generation, "cost": round(float(costs[best].mean()), 5)})
        if generation % EVERY == 0 or generation == generations:
            curve[-1]["cost_of_all_days"] = round(days.cost(mean, every), 5)
            kept = min(kept, (curve[-1]["cost_of_all_days"], generation, mean), key=lambda one: one[:2])
            record = _record(kept[1], kept[2], curve, seed, len(days))
            output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"generation {generation}: {curve[-1]['cost']:.4f} of always-on's grams", flush=True)
    return record


def _record(of: int, weights: Weights, curve: list[dict[str, float]], seed: int, days: int) -> dict[str, Any]:
    done = curve[-1]["generation"]
    return {
        "algorithm": "cross-entropy search",
        "command": f"python -m experiments.studies.stations.train --generations {done} --seed {seed}",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "months": list(MONTHS),
        "days": days,
        "drawn": DRAWN,
        "kept": KEPT,
        "curve": curve,
        "weights_of_generation": of,
        "seen": list(SEEN),
        "scores": list(SCORES),
        "weights": [[round(float(value), 6) for value in row] for row in weights],
    }


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--generations", type=int, default=8)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--output", type=Path, default=Path("learned.json"))
    given = made.parse_args()
    train(given.generations, given.seed, given.output)


if __name__ == "__main__":
    main()
