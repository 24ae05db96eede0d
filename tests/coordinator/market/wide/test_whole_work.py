"""Whole batches at the hub: limits, sums, and nothing far from the fractional plan."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market.rounding import WorkLimits
from coordinator.market.wide.whole_work import kinds, whole_work


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
def test_keeps_limits_and_balances(seed: int, nodes: int, gathered: bool) -> None:
    rng = np.random.default_rng(seed)
    due = rng.integers(0, 12, nodes)
    limits = WorkLimits(
        available=due,
        due=due.copy(),
        may_leave=rng.integers(0, due + 1),
        capacity=rng.integers(0, 20, nodes),
        guest_room=rng.integers(0, 9, nodes),
    )
    away = rng.uniform(0, 1, nodes) * limits.may_leave * (rng.random(nodes) < 0.6)
    guests = rng.uniform(0, 1, nodes) * limits.guest_room * (away == 0)
    guests *= min(1.0, away.sum() / guests.sum()) if guests.sum() else 0.0
    alike = rng.integers(0, 3, nodes) if gathered else None
    work = whole_work(due.astype(float), away, guests, limits, alike)
    assert min(work.home.min(), work.away.min(), work.guests.min()) >= 0
    assert work.away.sum() == work.guests.sum()
    assert (work.home + work.away <= due).all()
    assert (work.home + work.guests <= limits.capacity).all()
    assert (work.away <= limits.may_leave).all()
    assert (work.guests <= limits.guest_room).all()
    assert not ((work.away > 0) & (work.guests > 0)).any(), "who gives does not take"


def test_a_whole_plan_stays_as_it_is() -> None:
    many = np.full(3, 10)
    limits = WorkLimits(many, many.copy(), many.copy(), 3 * many, 3 * many)
    work = whole_work(
        np.array([10.0, 10.0, 10.0]), np.array([4.0, 0.0, 1.0]), np.array([0.0, 5.0, 0.0]), limits
    )
    assert work.home.tolist() == [6, 10, 9]
    assert work.away.tolist() == [4, 0, 1]
    assert work.guests.tolist() == [0, 5, 0]


def test_remainders_are_rounded_together() -> None:
    many = np.full(4, 10)
    limits = WorkLimits(many, many.copy(), many.copy(), 3 * many, 3 * many)
    work = whole_work(
        np.full(4, 10.0), np.array([1.6, 1.4, 0.0, 0.0]), np.array([0.0, 0.0, 2.2, 0.8]), limits
    )
    assert work.away.tolist() == [2, 1, 0, 0]
    assert work.guests.tolist() == [0, 0, 2, 1]


def test_of_nodes_alike_some_give_all_and_the_others_nothing() -> None:
    four, many = np.full(6, 4), np.full(6, 40)
    limits = WorkLimits(four, four.copy(), np.array([4, 4, 4, 3, 3, 3]), many, many)
    away = np.array([1.5, 2.5, 2.0, 1.0, 1.0, 0.0])
    guests = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 8.0])
    alike = kinds(limits, np.ones(6))
    assert alike[0] == alike[1] == alike[2] != alike[3]
    work = whole_work(four.astype(float), away, guests, limits, alike)
    assert work.away.tolist() == [0, 4, 2, 2, 0, 0]
    assert work.home.tolist() == [4, 0, 2, 2, 4, 4]
    assert work.guests.tolist() == [0, 0, 0, 0, 0, 8]


def test_other_joules_per_batch_are_another_kind() -> None:
    four = np.full(3, 4)
    limits = WorkLimits(four, four.copy(), four.copy(), four.copy(), four.copy())
    assert len(set(kinds(limits, np.array([1.0, 1.0, 2.0])))) == 2
