"""A stable matching of offers to give with offers to take, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.negotiation.matching import Match, gains, match
from tests.coordinator.negotiation.quotes import ask, bid


@given(st.integers(0, 10**6))
def test_matching_is_stable(seed: int) -> None:
    """Stability: no giver and taker, unmatched or matched worse, would both gain by trading with each other."""
    rng = np.random.default_rng(seed)
    n = 6
    asks = [ask(i, float(rng.uniform(0, 4)), float(rng.uniform(0.5, 2))) for i in range(3)]
    bids = [bid(i, float(rng.uniform(0, 8)), float(rng.uniform(0.5, 2))) for i in range(2, 6)]
    efficiency, links = rng.uniform(0.7, 1.0, (n, n)), rng.uniform(0, 0.5, (n, n))
    found = match(asks, bids, efficiency, links)
    gain = gains(asks, bids, efficiency, links)
    for a, offer in enumerate(asks):
        given_by = [m for m in found if m.giver == offer.node]
        for b, wish in enumerate(bids):
            if not gain[a, b] > 1e-9:
                continue
            taken_by = [m for m in found if m.taker == wish.node]
            spare = sum(m.quantity for m in given_by) < offer.quantity - 1e-9
            worse = [gain[a, [q.node for q in bids].index(m.taker)] < gain[a, b] - 1e-9 for m in given_by]
            wants = sum(m.quantity * efficiency[m.giver, m.taker] for m in taken_by) < wish.quantity - 1e-9
            poorer = [gain[[q.node for q in asks].index(m.giver), b] < gain[a, b] - 1e-9 for m in taken_by]
            assert not ((spare or any(worse)) and (wants or any(poorer)))


def test_a_matching_by_hand() -> None:
    """Half of what node 0 sends to node 2 arrives. Gains a unit: 0 to 2: 10 / 2 - 1 - 0.5; 1 to 2: 10 - 4 - 1; 0 to 3:
    6 - 1 - 2; 1 to 3: none. The dearer giver comes first at node 2, and node 0 sends the rest and what node 3 wants."""
    efficiency, links = np.ones((4, 4)), np.zeros((4, 4))
    efficiency[0, 2] = 0.5
    links[0, 2], links[1, 2], links[0, 3], links[1, 3] = 0.5, 1.0, 2.0, 3.0
    asks, bids = [ask(0, 1.0, 3.0), ask(1, 4.0, 1.0)], [bid(2, 10.0, 1.75), bid(3, 6.0, 1.0)]
    np.testing.assert_allclose(gains(asks, bids, efficiency, links), [[3.5, 3.0], [5.0, -1.0]])
    assert match(asks, bids, efficiency, links) == [
        Match(1, 2, 1.0, pytest.approx(4.0 + 2.5)),
        Match(0, 2, pytest.approx(1.5), pytest.approx(1.0 + 1.75)),
        Match(0, 3, pytest.approx(1.0), pytest.approx(1.0 + 1.5)),
    ]


def test_nobody_trades_with_himself_over_a_dead_link_or_at_a_loss() -> None:
    ones, free = np.ones((3, 3)), np.zeros((3, 3))
    assert gains([ask(1, 1.0)], [bid(1, 9.0)], ones, free).tolist() == [[-np.inf]]
    assert match([ask(1, 1.0)], [bid(1, 9.0)], ones, free) == []
    assert match([ask(1, -1.0)], [bid(2, 9.0)], np.zeros((3, 3)), free) == []
    assert match([ask(1, 2.0)], [bid(2, 2.0)], ones, free) == []
    assert match([], [bid(2, 2.0)], ones, free) == match([ask(1, 2.0)], [], ones, free) == []
    assert match([ask(1, 1.0, 0.0), ask(0, 1.5)], [bid(2, 2.0)], ones, free) == [Match(0, 2, 1.0, 1.75)]
