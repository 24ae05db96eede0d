"""Random: FedAvg's own client selection, n nodes uniformly without replacement (methods.md section 3)."""

from __future__ import annotations

from typing import ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.policies.selection import ClientsPerRound, State, round_rng, select


class Random(ClientsPerRound):
    """Uniform n of N."""

    name: ClassVar[str] = "random"

    def init(self, seed: int) -> State:
        return {"seed": seed}

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        rng = round_rng(state["seed"], fleet)
        return select(fleet, rng.choice(fleet.size, self.count(fleet), replace=False)), state
