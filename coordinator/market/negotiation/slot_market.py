"""One slot traded through a market of quotes: work first, then energy around the batches that will really run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coordinator.market import hub_recovery
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.negotiation.auction import Clearing, clear
from coordinator.market.negotiation.outcome import whole_batches
from coordinator.market.negotiation.trader import Trader
from coordinator.market.negotiation.wire import Fill, Good, Quote, Side, Wire
from coordinator.market.rounding import clip_transfers

Offers = list[Quote]


@dataclass(frozen=True, slots=True)
class Trade:
    """Result of a slot's market."""

    batches: Ints
    """(N, N)."""
    transfer_j: Floats
    """(N, N) leaving the donors."""
    offers: Offers
    """All quotes of energy, public."""


Place = Callable[[Offers], Floats]
"""Quotes of one good to (N, N) amounts from giver to taker, as they leave the giver."""


def trade(
    fleet: Fleet, agents: list[Trader], say: Callable[[Quote], Quote], work: Place, energy: Place
) -> Trade:
    """Run both markets; ``say`` carries a quote to where it is read."""
    awake = np.ones(fleet.size, dtype=bool)
    wanted = work([say(quote) for agent in agents for quote in agent.work_quotes()])
    batches = whole_batches(wanted, fleet, awake)
    home = np.diag(batches)
    guests, sent = batches.sum(axis=0) - home, batches.sum(axis=1) - home
    offers = [
        say(quote)
        for agent, own, g, o in zip(agents, home, guests, sent, strict=True)
        for quote in agent.energy_quotes(agent.load_j(float(own), float(g), float(o)))
    ]
    return Trade(batches, clip_transfers(energy(offers), fleet), offers)


def call_market(fleet: Fleet, wire: Wire, mcafee: bool, prices: dict[str, float]) -> tuple[Place, Place]:
    """Places (work, energy) that clear a double auction and tell every trader its fill. ``prices`` is filled in."""

    def report(good: Good, cleared: Clearing) -> None:
        for side, amounts, price in (
            (Side.ASK, cleared.sold, cleared.seller_price),
            (Side.BID, cleared.bought, cleared.buyer_price),
        ):
            for node, amount in amounts.items():
                wire.carry(Fill(node, good, side, price, amount), None, node)

    def cleared(offers: Offers, good: Good) -> tuple[Floats, Floats]:
        result = clear(offers, mcafee)
        report(good, result)
        if result.quantity > 0:
            prices[f"{good.name.lower()}_price_g"] = 0.5 * (result.buyer_price + result.seller_price)
        given, taken = np.zeros(fleet.size), np.zeros(fleet.size)
        for node, amount in result.sold.items():
            given[node] = amount
        for node, amount in result.bought.items():
            taken[node] = amount
        return given, taken

    def work(offers: Offers) -> Floats:
        room, wanted = cleared(offers, Good.WORK)
        return hub_recovery.fill(wanted, room).matrix(fleet.size)  # from the owner to the executor

    def energy(offers: Offers) -> Floats:
        given, taken = cleared(offers, Good.ENERGY)
        flows = hub_recovery.fill(given, taken).matrix(fleet.size)
        out = fleet.export_efficiency[:, None]
        return np.divide(flows, out, out=np.zeros_like(flows), where=out > 0)

    return work, energy
