"""Pairs from a hub's totals: who gives to whom, O(N log N)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market.wide import hub_recovery

AMOUNTS = st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=12)


@given(AMOUNTS)
def test_a_hubs_totals_become_pairs_of_different_nodes(sides: list[tuple[float, float]]) -> None:
    """What a node gives beyond its pairs is what it would take of its own."""
    given_, taken = np.array(sides).T
    taken = taken * (given_.sum() / taken.sum() if taken.sum() else 0.0)
    if not taken.sum():
        given_ = np.zeros_like(given_)
    flows = hub_recovery.fill(given_, taken)
    pairs = flows.matrix(len(sides))
    assert (flows.amount > 0).all()
    assert len(flows.amount) <= 2 * len(sides) - 1
    assert np.diag(pairs).max() == 0
    kept, not_taken = given_ - pairs.sum(axis=1), taken - pairs.sum(axis=0)
    np.testing.assert_allclose(kept, not_taken, atol=1e-9)
    assert kept.min() >= -1e-9
