"""Double auction per slot: nodes bid and ask for energy and work, without anybody knowing another's books.

methods.md section 2, item 1. Work is auctioned first, then energy around the batches that will really run. Every node
stays awake and runs its backlog as it comes; stored energy is held where its best later value beats the present.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from coordinator.market.fleet import Fleet
from coordinator.market.negotiation.outcome import product_form, slot_notes
from coordinator.market.negotiation.slot_market import Trade, call_market, trade
from coordinator.market.negotiation.trader import Trader, traders
from coordinator.market.negotiation.wire import Wire
from coordinator.market.rounding import WorkLimits
from coordinator.policies.base import Feasible, FleetDecision
from coordinator.policies.local import rule_decision


@dataclass(frozen=True)
class Auction:
    """Uniform-price double auction. mcafee: McAfee's rule for truthful bids. report_gap: solve the slot's centralised
    program as well, to report how far the auction is from it (the decision does not use it)."""

    mcafee: bool = False
    report_gap: bool = True

    name: ClassVar[str] = "auction"
    uses_harvest: ClassVar[bool] = True

    def init(self, seed: int) -> None:
        """No state: a slot's market knows nothing of the last."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """The market of this slot."""
        known, wire = product_form(fleet), Wire(fleet)
        agents = traders(known, WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool)))
        prices: dict[str, float] = {}
        work, energy = call_market(known, wire, self.mcafee, prices)
        made = trade(known, agents, lambda quote: wire.carry(quote, quote.node, None), work, energy)
        return settle(fleet, agents, made, wire.notes() | prices, self.report_gap), state


def settle(
    fleet: Fleet, agents: list[Trader], made: Trade, notes: dict[str, float], report_gap: bool
) -> FleetDecision:
    """A slot's trades as a decision, with its distance to the optimum in the notes. Whether a battery stores first, or
    waits for a dirtier hour, is its trader's choice."""
    decision = rule_decision(
        fleet,
        made.batches,
        outcome=Feasible(None, "negotiated"),
        transfer_j=made.transfer_j,
        charge_j=np.array([agent.charge_j for agent in agents]),
        discharge_j=np.where([agent.holds for agent in agents], 0.0, fleet.battery_capacity_j),
        notes=notes,
    )
    if not report_gap:
        return decision
    notes = notes | slot_notes(fleet, decision)
    gap = notes.get("gap_to_optimum_fraction")
    outcome = decision.outcome
    if isinstance(outcome, Feasible) and gap is not None:
        outcome = Feasible(max(gap, 0.0), "negotiated; gap to the optimum of this slot alone")
    return replace(decision, notes=notes, outcome=outcome)
