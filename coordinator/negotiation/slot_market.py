"""One slot traded through a market of quotes: work first, then energy around the batches that will really run.

Round 0 asks for quotes of work; round 1 sends every node its fills and asks for quotes of energy. Fills of energy go
out with the decision. Quotes of work are whole batches, so that fills are whole, and rounding needs no node's
private state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from coordinator.market.pairs import Pairs, Transfers
from coordinator.market.wide import hub_recovery
from coordinator.negotiation.auction import clear
from coordinator.negotiation.matching import match
from coordinator.negotiation.quote import Quote, quotes_of
from coordinator.negotiation.table import Agreed, Market, Table, moved, sent
from protos.messages.market import Fill, Good, MarketTerms, Side


@dataclass(frozen=True)
class Placed:
    """Quotes of one good, placed."""

    given: Transfers
    """From giver to taker, in the hub's units; of work: from executor to owner."""
    fills: list[list[Fill]]
    """Of every place at the table."""


Place = Callable[[Table, list[Quote]], Placed]


def slot_market(table: Table, terms: list[MarketTerms], place: Place) -> Market:
    """Both goods, one after the other, each placed by ``place``."""
    offers = yield [table.call(i, said) for i, said in enumerate(terms)]
    work = place(table, quotes_of(offers, Good.WORK))
    moves = moved(work.given)
    offers = yield [table.news(i, 1, tuple(work.fills[i])) for i in range(table.size)]
    quotes = quotes_of(offers, Good.ENERGY)
    energy = place(table, quotes)
    fills: dict[str, Any] = {
        table.node_ids[i]: [
            [str(fill.good), str(fill.side), fill.price_g, fill.quantity]
            for fill in (*work.fills[i], *energy.fills[i])
        ]
        for i in range(table.size)
        if work.fills[i] or energy.fills[i]
    }
    said = [[table.node_ids[q.node], str(q.side), q.price, q.quantity] for q in quotes]
    notes = {
        "traded_j": float(energy.given.amount.sum()),
        "traded_batches": float(moves.amount.sum()),
        **_prices(work.fills, "work_price_g"),
        **_prices(energy.fills, "energy_price_g"),
    }
    record = {"fills": fills, "energy_quotes": said}
    return Agreed(moves, sent(table, energy.given), "rule: negotiated", notes, record)


def auctioned(mcafee: bool) -> Place:
    """Uniform-price double auction; McAfee's rule on request."""

    def place(table: Table, quotes: list[Quote]) -> Placed:
        result = clear(quotes, mcafee)
        fills: list[list[Fill]] = [[] for _ in range(table.size)]
        given, taken = np.zeros(table.size), np.zeros(table.size)
        good = quotes[0].good if quotes else Good.ENERGY
        for side, amounts, price, total in (
            (Side.ASK, result.sold, result.seller_price, given),
            (Side.BID, result.bought, result.buyer_price, taken),
        ):
            for node, amount in amounts.items():
                fills[node].append(Fill(good, side, price, amount))
                total[node] = amount
        return Placed(hub_recovery.fill(given, taken), fills)

    return place


def matched(table: Table, quotes: list[Quote]) -> Placed:
    """Stable pairwise bargains, each at its own price."""
    asks = [q for q in quotes if q.side is Side.ASK]
    bids = [q for q in quotes if q.side is Side.BID]
    fills = [list[Fill]() for _ in range(table.size)]
    found = match(asks, bids)
    for pair in found:
        good = quotes[0].good
        fills[pair.giver].append(Fill(good, Side.ASK, pair.price, pair.quantity))
        fills[pair.taker].append(Fill(good, Side.BID, pair.price, pair.quantity))
    giver, taker = (
        np.array([getattr(p, side) for p in found], dtype=np.int64) for side in ("giver", "taker")
    )
    return Placed(Pairs.of(giver, taker, np.array([pair.quantity for pair in found])), fills)


def _prices(fills: list[list[Fill]], name: str) -> dict[str, float]:
    """Mean price by quantity of what buyers paid; none where nothing was traded."""
    bought = [fill for each in fills for fill in each if fill.side is Side.BID]
    amount = sum(fill.quantity for fill in bought)
    return {name: sum(fill.price_g * fill.quantity for fill in bought) / amount} if amount > 0 else {}
