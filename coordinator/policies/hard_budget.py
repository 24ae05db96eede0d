"""Hard carbon budget: LowestCI until a budget of grams is spent (methods.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats
from coordinator.market.rounding import WorkLimits
from coordinator.policies.energy_proportional import green_energy_j
from coordinator.policies.selection import ClientsPerRound, State, select, smallest


@dataclass(frozen=True)
class HardBudget(ClientsPerRound):
    """Cleanest node first, as long as its work fits what is left of the budget; never above it by its own
    estimate.

    budget_g: grams for the work of selected nodes over the whole run, above their static load.
    """

    budget_g: float = 1.0

    name: ClassVar[str] = "hard-budget"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (np.isfinite(self.budget_g) and self.budget_g >= 0):
            raise ValueError(f"budget_g is {self.budget_g}; allowed is a finite value >= 0")

    def init(self, seed: int) -> State:
        return {"spent_g": 0.0}

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        cost, spent = work_g(fleet), float(state["spent_g"])
        chosen = []
        for node in smallest(fleet.intensity_g_per_kwh[:, 0], self.count(fleet)):
            if spent + cost[node] > self.budget_g:
                break  # the budget is spent; a cheaper node further down would only be dirtier work
            spent += float(cost[node])
            chosen.append(node)
        decision = select(fleet, np.array(chosen, dtype=np.int64), budget_spent_g=spent)
        return decision, {"spent_g": spent}


def work_g(fleet: Fleet) -> Floats:
    """(N,) grams of a node's own work in this slot: what its green energy does not cover, from its grid."""
    limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
    work_j = fleet.joules_per_batch[:, 0] * np.minimum(limits.available, limits.capacity)
    grid_j = np.maximum(work_j - green_energy_j(fleet), 0.0)
    return np.asarray(grid_j * fleet.intensity_g_per_kwh[:, 0] / JOULES_PER_KWH)
