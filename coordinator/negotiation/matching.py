"""A stable matching of offers to give with offers to take, pair by pair.

A pair gains what the taker's bid is worth after the transfer's loss, less the giver's ask and the cost of the link, and
shares it equally. Both sides then rank each other by the same number, so taking pairs by falling gain leaves no two
parties who would both rather trade with each other: the matching is stable, and up to ties the only stable one
(preferences are aligned). It is an equilibrium of the bargaining, *not* the least-carbon plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.negotiation.quote import Quote

_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Match:
    giver: int
    taker: int
    quantity: float
    price: float
    """Midpoint: the giver's ask plus half the gain."""


def gains(asks: Sequence[Quote], bids: Sequence[Quote], efficiency: Floats, link_cost: Floats) -> Floats:
    """(A, B) gain per unit given of every pair; -inf between a node and itself. ``efficiency`` and ``link_cost`` are
    (N, N), from giver to taker."""
    giver = np.array([q.node for q in asks], dtype=np.int64)
    taker = np.array([q.node for q in bids], dtype=np.int64)
    worth = np.array([q.price for q in bids])[None, :] * efficiency[np.ix_(giver, taker)]
    gain = worth - np.array([q.price for q in asks])[:, None] - link_cost[np.ix_(giver, taker)]
    gain[giver[:, None] == taker[None, :]] = -np.inf
    return gain


def match(asks: Sequence[Quote], bids: Sequence[Quote], efficiency: Floats, link_cost: Floats) -> list[Match]:
    """The stable matching; quantities of bids are as they arrive, those of asks as they leave."""
    if not asks or not bids:
        return []
    gain = gains(asks, bids, efficiency, link_cost)
    left = np.array([q.quantity for q in asks])
    wanted = np.array([q.quantity for q in bids])
    order = np.argsort(-gain, axis=None, kind="stable")
    found: list[Match] = []
    for a, b in zip(*np.unravel_index(order, gain.shape), strict=True):
        if gain[a, b] <= 0.0:
            break
        giver, taker = asks[a].node, bids[b].node
        carried = float(efficiency[giver, taker])
        amount = min(float(left[a]), float(wanted[b]) / carried) if carried > 0 else 0.0
        if amount <= _NOTHING:
            continue
        left[a] -= amount
        wanted[b] -= amount * carried
        found.append(Match(giver, taker, amount, asks[a].price + 0.5 * float(gain[a, b])))
    return found
