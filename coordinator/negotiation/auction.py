"""Uniform-price double auction of one good: bids down, asks up, clear while bid > ask; McAfee's rule on request.

Source: methods.md section 2, item 1; R. P. McAfee, "A dominant strategy double auction", J. Econ. Theory 56 (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.negotiation.quote import Quote, Side

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Clearing:
    """Result of an auction."""

    sold: dict[int, float]
    """Quantity by seller."""
    bought: dict[int, float]
    """Quantity by buyer."""
    buyer_price: float
    seller_price: float
    """Lower than the buyer's where McAfee's rule excludes the marginal pair: the market keeps the difference."""

    @property
    def quantity(self) -> float:
        return sum(self.sold.values())


EMPTY = Clearing({}, {}, 0.0, 0.0)


def clear(quotes: Sequence[Quote], mcafee: bool = False) -> Clearing:
    """Clear the quotes of one good. Ties keep the quotes' order.

    Without McAfee all units with bid > ask trade at the midpoint of the marginal pair. With it, the price is the
    midpoint of the first pair that does not trade if the marginal pair accepts that; otherwise the marginal quotes are
    excluded, the remaining buyers pay the marginal bid and the remaining sellers get the marginal ask. Truthfulness is
    McAfee's theorem for one unit a trader; for quantities it is a heuristic.
    """
    bids = sorted((q for q in quotes if q.side is Side.BID and q.quantity > _NOTHING), key=lambda q: -q.price)
    asks = sorted((q for q in quotes if q.side is Side.ASK and q.quantity > _NOTHING), key=lambda q: q.price)
    taken, given = [0.0] * len(bids), [0.0] * len(asks)
    b = a = 0
    last: tuple[int, int] | None = None
    while b < len(bids) and a < len(asks) and bids[b].price > asks[a].price:
        amount = min(bids[b].quantity - taken[b], asks[a].quantity - given[a])
        taken[b] += amount
        given[a] += amount
        last = b, a
        b += bids[b].quantity - taken[b] <= _NOTHING * bids[b].quantity
        a += asks[a].quantity - given[a] <= _NOTHING * asks[a].quantity
    if last is None:
        return EMPTY
    bid, ask = bids[last[0]].price, asks[last[1]].price
    price = 0.5 * (bid + ask)
    if not mcafee:
        return Clearing(_by_node(asks, given), _by_node(bids, taken), price, price)
    next_bid = last[0] + 1 < len(bids)
    next_ask = last[1] + 1 < len(asks)
    if next_bid and next_ask:
        outside = 0.5 * (bids[last[0] + 1].price + asks[last[1] + 1].price)
        if ask <= outside <= bid:
            return Clearing(_by_node(asks, given), _by_node(bids, taken), outside, outside)
    taken[last[0]] = given[last[1]] = 0.0
    short = min(sum(taken), sum(given))
    _ration(taken, short)
    _ration(given, short)
    if short <= _NOTHING:
        return EMPTY
    return Clearing(_by_node(asks, given), _by_node(bids, taken), bid, ask)


def _ration(amounts: list[float], total: float) -> None:
    """Cut the list to ``total``, from its end (the least eager)."""
    for index in range(len(amounts)):
        amounts[index] = min(amounts[index], total)
        total -= amounts[index]


def _by_node(quotes: Sequence[Quote], amounts: Sequence[float]) -> dict[int, float]:
    total: dict[int, float] = {}
    for quote, amount in zip(quotes, amounts, strict=True):
        if amount > 0.0:
            total[quote.node] = total.get(quote.node, 0.0) + amount
    return total
