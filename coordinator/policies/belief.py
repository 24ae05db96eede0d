"""Belief and auction [R]: nodes learn each other's harvest from public offers and strike stable pairwise bargains.

methods.md section 2, item 3, a reconstruction of what the paper only names: Dirichlet counts per hour of day, bids at
the certainty equivalent, and a stable matching in every slot. Its sequence of matchings is an equilibrium of
bargaining, not the least-carbon plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coordinator.market.fleet import Fleet, Floats
from coordinator.market.negotiation.belief import Belief
from coordinator.market.negotiation.matching import match
from coordinator.market.negotiation.outcome import product_form
from coordinator.market.negotiation.slot_market import Offers, trade
from coordinator.market.negotiation.trader import traders
from coordinator.market.negotiation.wire import Fill, Good, Side, Wire
from coordinator.market.rounding import WorkLimits
from coordinator.policies.auction import settle
from coordinator.policies.base import FleetDecision


@dataclass(frozen=True)
class BeliefAuction:
    """Certainty-equivalent bids, stable matching. slots_per_day: slots after which harvest repeats. report_gap: as in
    the double auction."""

    slots_per_day: int = 24
    report_gap: bool = True

    name: ClassVar[str] = "belief"
    uses_harvest: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.slots_per_day < 1:
            raise ValueError(f"slots_per_day is {self.slots_per_day}; allowed is 1 or more")

    def init(self, seed: int) -> dict[tuple[str, ...], Belief]:
        """No belief yet; kept by fleet, so that a change of nodes starts afresh."""
        return {}

    def decide(
        self, fleet: Fleet, state: dict[tuple[str, ...], Belief]
    ) -> tuple[FleetDecision, dict[tuple[str, ...], Belief]]:
        """Bargain over this slot, then learn from what was offered."""
        known, wire = product_form(fleet), Wire(fleet)
        belief = state.get(fleet.node_ids) or Belief.prior(fleet.size, self.slots_per_day)
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        agents = traders(known, limits, belief.scarcity(fleet.slot, fleet.horizon))
        promised = np.outer(known.export_efficiency, known.import_efficiency)
        better = np.divide(
            fleet.transfer_efficiency(), promised, out=np.zeros_like(promised), where=promised > 0
        )

        def matched(offers: Offers, good: Good, efficiency: Floats) -> Floats:
            asks = [q for q in offers if q.side is Side.ASK]
            bids = [q for q in offers if q.side is Side.BID]
            amounts = np.zeros((fleet.size, fleet.size))
            for pair in match(asks, bids, efficiency, np.zeros_like(amounts)):
                amounts[pair.giver, pair.taker] += pair.quantity
                # one proposes, the other accepts
                wire.carry(
                    Fill(pair.giver, good, Side.ASK, pair.price, pair.quantity), pair.giver, pair.taker
                )
                wire.carry(
                    Fill(pair.taker, good, Side.BID, pair.price, pair.quantity), pair.taker, pair.giver
                )
            return amounts

        def work(offers: Offers) -> Floats:
            return matched(offers, Good.WORK, np.ones_like(promised)).T

        def energy(offers: Offers) -> Floats:
            given = matched(offers, Good.ENERGY, better)
            out = known.export_efficiency[:, None]
            return np.divide(given, out, out=np.zeros_like(given), where=out > 0)

        made = trade(known, agents, lambda quote: wire.broadcast(quote, quote.node), work, energy)
        decision = settle(fleet, agents, made, wire.notes(), self.report_gap)
        return decision, {fleet.node_ids: belief.learn(fleet.slot, made.offers)}
