"""Time shift: work runs at home in the k cheapest slots before its deadline (methods.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.rounding import WorkLimits
from coordinator.policies.local import BY_RULE, rule_decision
from coordinator.policies.selection import State


@dataclass(frozen=True)
class TimeShift:
    """Each deadline class is spread evenly over its k cheapest slots; needs forecasts and a deadline above 0.

    cheapest: k.
    """

    cheapest: int = 1

    name: ClassVar[str] = "time-shift"
    restrictions: ClassVar[Restrictions] = BY_RULE

    def __post_init__(self) -> None:
        if self.cheapest < 1:
            raise ValueError(f"cheapest is {self.cheapest}; allowed is 1 or more")

    def wants_slots(self, deadline_slots: int) -> int:
        """Slots of look-ahead that hold every deadline."""
        return deadline_slots + 1

    def init(self, seed: int) -> State:
        return {}

    def decide(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        wanted = shifted_batches(fleet.intensity_g_per_kwh, fleet.backlog_batches, self.cheapest)
        own = np.minimum(np.maximum(wanted, limits.due), limits.capacity)
        return rule_decision(fleet, own), state


def shifted_batches(intensity_g_per_kwh: Floats, backlog: Ints, cheapest: int) -> Ints:
    """(N,) batches to run now.

    Class k may run in slots 0..k (as far as forecasts reach). Of these the ``cheapest`` count, ties to the
    earlier; where the present slot is among them the class's batches are split evenly over those still to
    come, rounded up."""
    n, classes = backlog.shape
    wanted = np.zeros(n, dtype=np.int64)
    for k in range(classes):
        window = intensity_g_per_kwh[:, : k + 1]
        slots = min(cheapest, window.shape[1])
        best = np.argsort(window, axis=1, kind="stable")[:, :slots]
        now = (best == 0).any(axis=1)
        wanted += np.where(now, -(-backlog[:, k] // slots), 0)
    return wanted
