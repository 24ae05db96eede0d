"""Double auction per slot: nodes bid and ask for energy and work; no node knows the private state of another.

methods.md section 2, item 1. Work is auctioned first, then energy around the batches that will really run. Every node
stays awake and runs its backlog as it comes; stored energy is held where its best later value beats the present.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.negotiation import simulated
from coordinator.negotiation.slot_market import auctioned, slot_market
from coordinator.negotiation.table import Market, Table
from protos.messages.market import MarketKind


@dataclass(frozen=True)
class Auction:
    """Uniform-price double auction. mcafee: McAfee's rule for truthful bids. report_gap: in the simulator, solve the
    slot's centralised program as well, to report how far the auction is from it (no decision uses it)."""

    mcafee: bool = False
    report_gap: bool = True

    name: ClassVar[str] = "auction"
    uses_harvest: ClassVar[bool] = True

    def init(self, seed: int) -> None:
        """No state: a slot's market knows nothing of the last."""

    def negotiate(self, table: Table, state: Any) -> Market:
        """The market of a slot, from public quantities only."""
        terms = [table.terms(place, MarketKind.QUOTES) for place in range(table.size)]
        return slot_market(table, terms, auctioned(self.mcafee))

    def recall(self, table_ids: tuple[str, ...], slot: int, state: Any, record: dict[str, Any]) -> Any:
        """No state to update."""
        return state

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """The same market in the simulator, with nodes made from the fleet's rows."""
        return simulated.decide(self, fleet, state, self.report_gap)
