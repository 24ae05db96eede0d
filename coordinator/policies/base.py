"""The one interface of every policy: a pure pair with explicit state.

``init(seed) -> state`` and ``decide(fleet, state) -> (decision, state)``: no clock, no I/O, no hidden
randomness, so that a recorded run replays exactly. A policy of your own needs these two methods and nothing
else."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet


@runtime_checkable
class Policy(Protocol):
    """Decides what the fleet does in a slot.

    Optional: ``follow(fleet, state) -> state``, the state after a slot without deciding it. A restarted coordinator
    then asks for it, where it would have every past slot decided again to find the state."""

    name: str

    def init(self, seed: int) -> Any:
        """State before the first slot. All randomness comes from ``seed``."""
        ...

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """Decision for ``fleet.slot``, and the state for the next."""
        ...
