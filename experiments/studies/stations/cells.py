"""One day of one policy in one setting, as a job that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from coordinator.policies.deta import Deta
from coordinator.policies.local import Local
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import Information, Run, simulate
from experiments.errors import RunError
from experiments.studies.fei.engine import content_key
from experiments.studies.import_closure import closure_digest
from experiments.studies.stations.covered import Covered
from experiments.studies.stations.learned import Learned
from experiments.studies.stations.policies import Threshold
from experiments.studies.stations.world import Settings, day, network_of, settings, world_of

ALWAYS_ON = "always-on"
_BALANCE = 1e-6
"""Of a run's energy: rounding."""


@lru_cache(maxsize=1)
def _depends() -> str:
    return closure_digest(__name__)


@dataclass(frozen=True, slots=True)
class StationCell:
    """``changes``: settings other than those of stations.toml, as (key, value) pairs."""

    policy: str
    month: int
    seed: int
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def weight(self) -> float:
        return 20.0 if self.policy == "deta" else 1.0

    def key(self) -> str:
        return content_key("station", asdict(self), _depends())

    def compute(self, scratch: Path) -> dict[str, Any]:
        """Energy, grams and traffic of the day. Raises RunError where an invariant is broken."""
        given = settings(dict(self.changes))
        network = network_of(given)
        policy, information = policy_of(self.policy, given)
        world = world_of(given, day(self.month), self.seed)
        run = simulate(world, Covered(policy, network), information, self.seed)
        refuse_broken(run, network.covers)
        woken = run.awake[1:] & ~run.awake[:-1]
        return {
            "energy_j": float(run.demand_j.sum()),
            "grid_j": float(run.grid_j.sum()),
            "emissions_g": run.emissions_g,
            "offered_units": int(world.fleet.backlog_batches.sum() + world.fleet.release_batches.sum()),
            "carried_units": int(run.executed_batches.sum()),
            "blocked_units": int(run.unserved_batches.sum()),
            "moved_units": int(run.offloaded_batches.sum()),
            "asleep_fraction": float((~run.awake).mean()),
            "wakes": int(woken.sum()),
        }


def policy_of(name: str, given: Settings) -> tuple[Any, Information]:
    """A policy by its name, and what it may know. ``package.module:Name`` names one of your own."""
    told = given["policies"]
    horizon = int(told["horizon_slots"])
    if name == ALWAYS_ON:
        return Local(), Information(1)
    if name == Threshold.name:
        return Threshold(told["sleep_below_fraction"], told["wake_above_fraction"]), Information(1)
    if name == Learned.name:
        return Learned.shipped(network_of(given)), Information(1)
    if name == Deta.name:
        return Deta(horizon=horizon), Information(horizon)
    return make_policy(name), Information(horizon)


def refuse_broken(run: Run, covers: Any) -> None:
    """Raises RunError where traffic is lost, an area is not covered, or energy comes from nowhere."""
    fleet = run.world.fleet
    offered = np.hstack([fleet.backlog_batches[:, :1], fleet.release_batches]).T
    carried = run.executed_batches.sum(axis=1)
    blocked = (run.unserved_batches + run.unselected_batches).sum(axis=1)
    if (carried + blocked != offered.sum(axis=1)).any():
        raise RunError("traffic is not conserved: carried and blocked are not what was offered")
    if not all(covers(awake) for awake in run.awake):
        raise RunError("an area is not covered: a cell sleeps without enough neighbours awake")
    gave = run.harvest_j + run.discharge_j + run.import_j
    took = run.green_j + run.charge_j + run.export_j + run.curtailed_j
    scale = float(run.demand_j.sum()) or 1.0
    off = max(float(np.abs(gave - took).max()), float(np.abs(run.grid_j + run.green_j - run.demand_j).max()))
    if off > _BALANCE * scale:
        raise RunError(f"energy is not conserved: {off:g} J in a slot")


def totals(results: Sequence[Mapping[Any, Any]]) -> dict[str, float]:
    """Sums over days; shares as their means."""

    def over(name: str) -> float:
        values = [one[name] for one in results]
        return float(np.mean(values) if name.endswith("fraction") else sum(values))

    return {name: over(name) for name in results[0]}
