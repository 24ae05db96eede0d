"""LowestCI: the n nodes with the smallest grid intensity now (methods.md section 3)."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.policies.selection import ClientsPerRound, State, select, smallest


class LowestCi(ClientsPerRound):
    """n smallest c_i(t)."""

    name: ClassVar[str] = "lowest-ci"

    def init(self, seed: int) -> State:
        return {}

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        return select(fleet, smallest(fleet.intensity_g_per_kwh[:, 0], self.count(fleet))), state
