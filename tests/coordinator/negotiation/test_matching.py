"""A stable matching of offers to give with offers to take, pair by pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.negotiation.matching import gains, match
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
