"""Pairs from a hub's totals: who gives to whom, O(N log N)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market.wide import hub_recovery

AMOUNT = st.just(0.0) | st.floats(1e-6, 9)
"""Nothing, or an amount whose share of the rest is a number: 1 / 5e-324 is none."""
AMOUNTS = st.lists(st.tuples(AMOUNT, AMOUNT), min_size=1, max_size=12)


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


def test_flows_by_hand() -> None:
    """Of 2 and 1 given, 1 stays with the first giver, who takes it; the last taker has the rest of both."""
    flows = hub_recovery.fill(np.array([2.0, 1.0, 0.0]), np.array([1.0, 0.0, 2.0]))
    assert flows.source.tolist() == [0, 1]
    assert flows.target.tolist() == [2, 2]
    assert flows.amount.tolist() == [1.0, 1.0]


def test_rounding_is_no_flow_and_the_shorter_side_counts() -> None:
    flows = hub_recovery.fill(np.array([1.0, 1e-14, 1.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]))
    assert (flows.source.tolist(), flows.target.tolist()) == ([0, 2], [3, 3])
    np.testing.assert_allclose(flows.amount, [0.5, 0.5])
    for given_, taken in (([0.0, 0.0], [1.0, 0.0]), ([0.0, 1.0], [0.0, 0.0])):
        nothing = hub_recovery.fill(np.array(given_), np.array(taken))
        assert len(nothing.source) == len(nothing.target) == len(nothing.amount) == 0
        assert nothing.matrix(2).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=15))
def test_whole_numbers_become_whole_pairs(balances: list[int]) -> None:
    """A node gives or takes; the last one evens out both sides."""
    signed = np.array([*balances, -sum(balances)])
    given_, taken = np.maximum(signed, 0), np.maximum(-signed, 0)
    pairs = hub_recovery.fill_whole(given_, taken)
    assert pairs.amount.dtype == np.int64
    assert (pairs.amount > 0).all()
    assert pairs.given(len(signed)).tolist() == given_.tolist()
    assert pairs.taken(len(signed)).tolist() == taken.tolist()
    assert len(pairs) <= max(np.count_nonzero(signed) - 1, 0)
    assert not pairs.to_itself.any()


def test_a_flow_of_a_billionth_of_a_thousandth_is_rounding() -> None:
    """Of a trade of 1 J in all: 1e-12 J is none, twice that is one."""
    for first, sources in ((1e-12, [1]), (2e-12, [0, 1])):
        flows = hub_recovery.fill(np.array([first, 1.0 - first, 0.0]), np.array([0.0, 0.0, 1.0]))
        assert flows.source.tolist() == sources
