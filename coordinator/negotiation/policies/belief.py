"""Belief and auction [R]: nodes learn each other's harvest from public offers and strike stable pairwise bargains.

methods.md section 2, item 3, a reconstruction of what the paper only names: Dirichlet counts per hour of day, bids at
the certainty equivalent, and a stable matching in every slot. Its sequence of matchings is an equilibrium of
bargaining, not the least-carbon plan. The market is the notice board: what it keeps are the public quotes, and a
node's terms carry what follows from those of the others.

One slot's matching trades the same quantities as the double auction, at other prices. So what is learned makes the only
difference: energy that others are expected to offer at a later hour lowers what a node keeps in store for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.negotiation import simulated
from coordinator.negotiation.belief import Belief
from coordinator.negotiation.quote import Quote
from coordinator.negotiation.slot_market import matched, slot_market
from coordinator.negotiation.table import Market, Table
from protos.messages.market import Good, MarketKind, Side

Beliefs = dict[tuple[str, ...], Belief]


@dataclass(frozen=True)
class BeliefAuction:
    """Certainty-equivalent bids, stable matching.

    slots_per_day: slots after which harvest repeats (a scenario gives its own).
    report_gap: as in the double auction.
    The note ``least_scarcity`` of a decision is the least that a later joule is expected to be worth to any node, as a
    share of its own intensity; at 1 nothing learned changes anything, and the slot is the auction's."""

    slots_per_day: int = 24
    report_gap: bool = True

    name: ClassVar[str] = "belief"
    uses_harvest: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.slots_per_day < 1:
            raise ValueError(f"slots_per_day is {self.slots_per_day}; allowed is 1 or more")

    def init(self, seed: int) -> Beliefs:
        """No belief yet; kept by fleet, so that a change of nodes starts afresh."""
        return {}

    def negotiate(self, table: Table, state: Beliefs) -> Market:
        """Bargain over this slot, from public quantities only."""
        scarcity = self._belief(table.node_ids, state).scarcity(table.slot, table.horizon)
        terms = [
            table.terms(place, MarketKind.QUOTES, scarcity=tuple(float(s) for s in scarcity[place]))
            for place in range(table.size)
        ]
        agreed = yield from slot_market(table, terms, matched)
        least = float(scarcity[:, 1:].min(initial=1.0))
        return replace(agreed, notes=agreed.notes | {"least_scarcity": least})

    def recall(
        self, table_ids: tuple[str, ...], slot: int, state: Beliefs, record: dict[str, Any]
    ) -> Beliefs:
        """Learn from what was offered: the public quotes of energy."""
        places = {node: place for place, node in enumerate(table_ids)}
        offers = [
            Quote(places[node], Good.ENERGY, Side(side), price, quantity)
            for node, side, price, quantity in record.get("energy_quotes", ())
        ]
        return {table_ids: self._belief(table_ids, state).learn(slot, offers)}

    def _belief(self, table_ids: tuple[str, ...], state: Beliefs) -> Belief:
        return state.get(table_ids) or Belief.prior(len(table_ids), self.slots_per_day)

    def decide(self, fleet: Fleet, state: Beliefs) -> tuple[FleetDecision, Beliefs]:
        """The same bargaining in the simulator, with nodes made from the fleet's rows."""
        return simulated.decide(self, fleet, state, self.report_gap)
