"""Exchange ADMM: nodes agree on a multi-slot plan by prices; no node knows the private state of another.

methods.md section 2, item 2. Every node stays awake. The first slot of what was agreed is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.negotiation import simulated
from coordinator.negotiation.exchange import Rules, exchange
from coordinator.negotiation.table import Market, Table


@dataclass(frozen=True)
class Admm:
    """Exchange ADMM over the slots to decide. horizon: slots at most (None: all that are to be decided). rounds,
    tolerance, rho: the protocol's, see negotiation.exchange.Rules. report_gap: in the simulator, report the slot's
    distance to the centralised optimum of that slot alone (no decision uses it)."""

    horizon: int | None = None
    rounds: int = 100
    tolerance: float = 1e-3
    rho: float = 1.0
    report_gap: bool = True

    name: ClassVar[str] = "admm"
    uses_harvest: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(f"horizon is {self.horizon}; allowed is 1 or more slots, or none")
        self._rules()

    def _rules(self) -> Rules:
        return Rules(rounds=self.rounds, tolerance=self.tolerance, rho=self.rho)

    def init(self, seed: int) -> None:
        """No state: every slot is negotiated from the start."""

    def negotiate(self, table: Table, state: Any) -> Market:
        """Rounds of net trades and their means, from public quantities only."""
        slots = [most for most in (self.horizon, table.decision_slots) if most is not None]
        return exchange(table, self._rules(), min(slots) if slots else None)

    def recall(self, table_ids: tuple[str, ...], slot: int, state: Any, record: dict[str, Any]) -> Any:
        """No state to update."""
        return state

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """The same exchange in the simulator, with nodes made from the fleet's rows."""
        return simulated.decide(self, fleet, state, self.report_gap)
