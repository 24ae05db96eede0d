"""Energy-proportional: every node takes local steps in proportion to the green energy it has (methods.md
section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.rounding import WorkLimits
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.policies.local import BY_RULE, local_decision, rule_decision
from coordinator.policies.selection import State


@dataclass(frozen=True)
class EnergyProportional:
    """Batches = green energy over energy per batch, at most the work there is.

    least_batches: run at least this many, so that a node in the dark still takes part.
    """

    least_batches: int = 1

    name: ClassVar[str] = "energy-proportional"
    restrictions: ClassVar[Restrictions] = BY_RULE

    def __post_init__(self) -> None:
        if self.least_batches < 0:
            raise ValueError(f"least_batches is {self.least_batches}; allowed is 0 or more")

    def init(self, seed: int) -> State:
        return {}

    def decide(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        if fleet.stage not in TRAINING_STAGES:
            return local_decision(fleet), state
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        steps = np.maximum(
            proportional_batches(green_energy_j(fleet), fleet.joules_per_batch[:, 0]), self.least_batches
        )
        own = np.minimum.reduce([steps, limits.available, limits.capacity])
        return rule_decision(fleet, own, by_design="work follows green energy"), state


def green_energy_j(fleet: Fleet) -> Floats:
    """(N,) J for work in this slot: harvest and what the battery can give, less the static load."""
    stored = (1.0 - fleet.self_discharge_fraction) * fleet.battery_j * fleet.discharge_efficiency
    from_store = np.minimum(stored, fleet.slot_s * fleet.discharge_limit_w)
    return np.asarray(np.maximum(fleet.harvest_j[:, 0] + from_store - fleet.slot_s * fleet.static_w, 0.0))


def proportional_batches(green_j: Floats, joules_per_batch: Floats) -> Ints:
    """(N,) whole batches that ``green_j`` pays for; without limit where a batch costs nothing."""
    most = float(np.iinfo(np.int32).max)
    paid = np.divide(green_j, joules_per_batch, out=np.full(len(green_j), most), where=joules_per_batch > 0)
    return np.floor(np.minimum(paid, most) + 1e-9).astype(np.int64)
