"""A stable matching of offers to give with offers to take, pair by pair, in O(N log N) for N offers.

A pair gains the taker's bid less the giver's ask (both in the hub, where losses are in prices and quantities), and
shares it equally. Both sides then rank each other by the same number, so taking pairs by falling gain leaves no two
parties who would both rather trade with each other: the matching is stable, and up to ties the only stable one
(preferences are aligned). It is an equilibrium of the bargaining, *not* the least-carbon plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from coordinator.negotiation.quote import Quote

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Match:
    giver: int
    taker: int
    quantity: float
    price: float
    """Midpoint: the giver's ask plus half the gain."""


def match(asks: Sequence[Quote], bids: Sequence[Quote]) -> list[Match]:
    """The stable matching, pairs by falling gain; ties keep the quotes' order, asks first."""
    left, wanted = [q.quantity for q in asks], [q.quantity for q in bids]
    givers = [a for a in sorted(range(len(asks)), key=lambda a: asks[a].price) if left[a] > _NOTHING]
    takers = [b for b in sorted(range(len(bids)), key=lambda b: -bids[b].price) if wanted[b] > _NOTHING]
    found: list[Match] = []
    while (best := _best(asks, bids, givers, takers)) is not None:
        i, j = best
        a, b = givers[i], takers[j]
        gain = bids[b].price - asks[a].price
        if gain <= 0.0:
            break
        amount = min(left[a], wanted[b])
        left[a] -= amount
        wanted[b] -= amount
        found.append(Match(asks[a].node, bids[b].node, amount, asks[a].price + 0.5 * gain))
        if left[a] <= _NOTHING:
            del givers[i]
        if wanted[b] <= _NOTHING:
            del takers[j]
    return found


def _best(
    asks: Sequence[Quote], bids: Sequence[Quote], givers: list[int], takers: list[int]
) -> tuple[int, int] | None:
    """Positions in ``givers`` (cheapest first) and ``takers`` (dearest first) of the pair of two nodes that gains most:
    the first two or, where they are one node, the first of either side with the first of another node."""
    if not givers or not takers:
        return None
    node = asks[givers[0]].node
    if bids[takers[0]].node != node:
        return 0, 0
    others = [(i, 0) for i in _first(i for i, a in enumerate(givers) if asks[a].node != node)]
    others += [(0, j) for j in _first(j for j, b in enumerate(takers) if bids[b].node != node)]
    return min(
        others,
        key=lambda at: (
            asks[givers[at[0]]].price - bids[takers[at[1]]].price,
            givers[at[0]],
            takers[at[1]],
        ),
        default=None,
    )


def _first(positions: Iterable[int]) -> list[int]:
    return list(islice(positions, 1))
