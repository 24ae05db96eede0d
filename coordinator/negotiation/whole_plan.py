"""Value of the multi-slot plan that an exchange ended with: for the gap to the centralised optimum, in simulation only.

No live market can do this, for it takes every node's own plan; the decision of a slot needs its first slot alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Fleet, Floats
from coordinator.market.wide.hub import HubPlan, HubProgram, from_fleet, objective_g
from coordinator.market.wide.repair import repair
from coordinator.negotiation.exchange import Rules, exchange, exchange_terms
from coordinator.negotiation.simulated import own_of
from coordinator.negotiation.table import Table
from protos.messages.market import MarketNews, Offers
from protos.trading.exchange_agent import ExchangeAgent


@dataclass(frozen=True, slots=True)
class Outcome:
    """Agreement of the nodes over the whole look-ahead."""

    plan: HubPlan
    """Repaired: keeps every limit."""
    objective_g: float
    rounds: int
    converged: bool
    messages: int


def agree(fleet: Fleet, rules: Rules, trace: dict[int, float] | None = None) -> Outcome:
    """Let the nodes of ``fleet`` negotiate. ``trace``: rounds whose repaired plan's objective is filled in."""
    program, table = from_fleet(fleet), Table.of(fleet)
    terms = exchange_terms(table, rules)
    agents = [ExchangeAgent(own_of(fleet, i), terms[i]) for i in range(fleet.size)]
    market = exchange(table, rules)
    questions = next(market)
    messages = 0
    trace = {} if trace is None else trace
    while True:
        offers: list[Offers] = []
        for agent, question in zip(agents, questions, strict=True):
            firm = isinstance(question, MarketNews) and question.firm
            if isinstance(question, MarketNews) and not firm:
                agent.hear(question.mean_trades, question.rho_factor)
            trades, quotes = ((), agent.firm()) if firm else (agent.propose(), ())
            offers.append(Offers(question.node_id, 0, fleet.slot, 0, 0, quotes, trades))
        messages += 2 * fleet.size
        plan = _repaired(program, agents, terms[0].unit_j, terms[0].unit_batches)
        rounds = messages // (2 * fleet.size)
        if rounds in trace:
            trace[rounds] = objective_g(program, plan)
        try:
            questions = market.send(offers)
        except StopIteration as stop:
            notes = stop.value.notes
            converged = max(notes["primal_residual"], notes["dual_residual"]) < rules.tolerance
            return Outcome(plan, objective_g(program, plan), int(notes["rounds"]), converged, messages)


def _repaired(
    program: HubProgram, agents: list[ExchangeAgent], unit_j: float, unit_batches: float
) -> HubPlan:
    def block(name: str, unit: float) -> Floats:
        return np.stack([agent.value(name) for agent in agents], axis=-1) * unit

    names = ("grid", "green", "charge", "discharge", "stored", "curtailed", "export", "import")
    flows = [block(name, unit_j) for name in names]
    batches = [block(name, unit_batches) for name in ("own", "away", "guest", "unserved")]
    return repair(program, HubPlan(*flows, *batches))
