"""Whether the weights of a training are to take the place of those that ship.

Command: python -m experiments.studies.learned.choose FOLDER. The rule was fixed before any result was seen: they are,
where their mean reduction against LOCAL over WORLDS worlds of CHOOSING is larger. These are no worlds of training
and none that the study judges on. What was found is added to the training's record in FOLDER."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from coordinator.policies.learned.network import WEIGHTS
from coordinator.policies.learned.policy import SHIPPED, Learned
from coordinator.policies.learned.record import beside, record_of
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import World, simulate
from experiments.resolve.foresight import whole_run
from experiments.resolve.resolve import resolve
from experiments.runs.export import information
from experiments.studies.learned.worlds import CHOOSING, world

WORLDS = 24


def choose(folder: Path, worlds: int = WORLDS) -> dict[str, Any]:
    """Compare the weights in ``folder`` with those that ship; returns what it adds to the record. Raises DataError for
    weights that cannot be read or are not the record's."""
    record = record_of(folder / WEIGHTS)
    weights = {"reduction_fraction": folder / WEIGHTS, "before_fraction": SHIPPED}
    policies = {name: make_policy(Learned.name, weights=str(path)) for name, path in weights.items()}
    found: dict[str, list[float]] = {name: [] for name in policies}
    for number in range(worlds):
        resolved = resolve(world(CHOOSING, number))
        truth, told, seed = World(whole_run(resolved)), information(resolved), resolved.scenario.seed
        local_g = simulate(truth, Local(), told, seed).emissions_g
        for name, policy in policies.items():
            found[name].append(1.0 - simulate(truth, policy, told, seed).emissions_g / local_g)
    means = {name: round(float(np.mean(values)), 5) for name, values in found.items()}
    chosen = {"worlds": worlds, **means, "ships": means["reduction_fraction"] > means["before_fraction"]}
    content = json.dumps(record | {"chosen": chosen}, indent=1) + "\n"
    beside(folder / WEIGHTS).write_text(content, encoding="utf-8")
    return chosen


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("folder", type=Path)
    print(json.dumps(choose(made.parse_args().folder)))


if __name__ == "__main__":
    main()
