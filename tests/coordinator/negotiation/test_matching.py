"""A stable matching of offers to give with offers to take, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.negotiation.matching import Match, match
from coordinator.negotiation.quote import Quote
from tests.coordinator.negotiation.quotes import ask, bid


@given(st.integers(0, 10**6))
def test_matching_is_stable(seed: int) -> None:
    """Stability: no giver and taker, unmatched or matched worse, would both gain by trading with each other."""
    rng = np.random.default_rng(seed)
    asks = [ask(i, float(rng.uniform(0, 4)), float(rng.uniform(0.5, 2))) for i in range(3)]
    bids = [bid(i, float(rng.uniform(0, 8)), float(rng.uniform(0.5, 2))) for i in range(2, 6)]
    found = match(asks, bids)
    price = {q.node: q.price for q in asks}, {q.node: q.price for q in bids}
    for offer in asks:
        given_by = [m for m in found if m.giver == offer.node]
        for wish in bids:
            gain = wish.price - offer.price
            if wish.node == offer.node or not gain > 1e-9:
                continue
            taken_by = [m for m in found if m.taker == wish.node]
            spare = sum(m.quantity for m in given_by) < offer.quantity - 1e-9
            worse = [price[1][m.taker] - offer.price < gain - 1e-9 for m in given_by]
            wants = sum(m.quantity for m in taken_by) < wish.quantity - 1e-9
            poorer = [wish.price - price[0][m.giver] < gain - 1e-9 for m in taken_by]
            assert not ((spare or any(worse)) and (wants or any(poorer)))


steps = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 3)), max_size=9)


@given(steps, steps)
def test_all_pairs_by_falling_gain_give_the_same(
    given_: list[tuple[int, int, int]], wanted: list[tuple[int, int, int]]
) -> None:
    """Nodes with several steps on both sides, equal prices among them; quantities are whole, so sums are exact."""
    asks = [ask(node, float(price), float(amount)) for node, price, amount in given_]
    bids = [bid(node, float(price), float(amount)) for node, price, amount in wanted]
    assert match(asks, bids) == of_all_pairs(asks, bids)


def of_all_pairs(asks: list[Quote], bids: list[Quote]) -> list[Match]:
    pairs = [
        (a, b) for a, giver in enumerate(asks) for b, taker in enumerate(bids) if giver.node != taker.node
    ]
    left, open_ = [q.quantity for q in asks], [q.quantity for q in bids]
    found = []
    for a, b in sorted(pairs, key=lambda pair: asks[pair[0]].price - bids[pair[1]].price):
        gain, amount = bids[b].price - asks[a].price, min(left[a], open_[b])
        if gain > 0 and amount > 0:
            left[a] -= amount
            open_[b] -= amount
            found.append(Match(asks[a].node, bids[b].node, amount, asks[a].price + 0.5 * gain))
    return found


def test_a_matching_by_hand() -> None:
    """The cheaper giver and the dearer taker come first; node 2, which sells and buys, takes from node 1 only."""
    asks, bids = [ask(1, 4.0, 2.0), ask(2, 1.0, 3.0)], [bid(3, 6.0, 1.0), bid(2, 10.0, 1.5)]
    assert match(asks, bids) == [
        Match(1, 2, 1.5, pytest.approx(4.0 + 3.0)),
        Match(2, 3, 1.0, pytest.approx(1.0 + 2.5)),
    ]


def test_nobody_trades_with_himself_or_at_a_loss() -> None:
    assert match([ask(1, 1.0)], [bid(1, 9.0)]) == []
    assert match([ask(1, 2.0)], [bid(2, 2.0)]) == []
    assert match([], [bid(2, 2.0)]) == match([ask(1, 2.0)], []) == []
    assert match([ask(1, 1.0, 0.0), ask(0, 1.5)], [bid(2, 2.0)]) == [Match(0, 2, 1.0, 1.75)]
