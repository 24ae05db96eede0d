"""A policy whose moved batches are kept, slot by slot, while a simulator asks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.pairs import Moves


class RecordedMoves:
    """Decides as ``policy`` does. ``as_run``: what of a decision is carried out; the whole decision without it."""

    def __init__(
        self, policy: Any, as_run: Callable[[FleetDecision, Fleet], FleetDecision] | None = None
    ) -> None:
        self._policy, self._as_run = policy, as_run
        self.name = policy.name
        self.uses_harvest = getattr(policy, "uses_harvest", True)
        self.needs_truth = getattr(policy, "needs_truth", False)
        self.moves: list[Moves] = []

    def init(self, seed: int) -> Any:
        return self._policy.init(seed)

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        decision, state = self._policy.decide(fleet, state)
        kept = decision if self._as_run is None else self._as_run(decision, fleet)
        self.moves.append(kept.moves)
        return decision, state
