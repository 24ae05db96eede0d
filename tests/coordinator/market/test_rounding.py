"""Whole batches from fractional ones: conservation and limits as properties, the limits' corners by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.pairs import Pairs
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.rounding import WorkLimits, clip_transfers, round_batches
from coordinator.market.solve import solve

DETA = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(min_value=0, max_value=2**32 - 1)


def keeps(batches: np.ndarray, limits: WorkLimits) -> bool:
    home = np.diag(batches)
    return bool(
        (batches >= 0).all()
        and (batches.sum(axis=1) <= limits.available).all()
        and (batches.sum(axis=1) - home <= limits.may_leave).all()
        and (batches.sum(axis=0) <= limits.capacity).all()
        and (batches.sum(axis=0) - home <= limits.guest_room).all()
    )


@settings(max_examples=60, deadline=None)
@given(seed=seeds, deadline=st.integers(0, 2), early=st.booleans())
def test_optimal_plans_round_without_loss(seed: int, deadline: int, early: bool) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    program = build(fleet, DETA, whole_batches=True)
    values = solve(program).values
    assert values is not None
    fractional = Plan(program, values).batches(0)
    limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
    batches = round_batches(fractional, limits, early=early)
    assert keeps(batches, limits)
    assert (batches.sum(axis=1) >= limits.due).all()
    # every total is rounded up or down, never further (more only where more is due)
    off = batches.sum(axis=1) - fractional.sum(axis=1)
    assert (np.abs(off) <= 1 + 1e-6).all()


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_any_flow_rounds_within_limits(seed: int) -> None:
    """Also for flows that violate the limits: the result keeps them, and serves all due work that can be
    served."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    due = rng.integers(0, 8, n)
    limits = WorkLimits(
        available=due + rng.integers(0, 4, n),
        due=due,
        may_leave=rng.integers(0, 6, n),
        capacity=rng.integers(0, 12, n),
        guest_room=rng.integers(0, 6, n),
    )
    batches = round_batches(rng.uniform(0, 3, (n, n)), limits)
    assert keeps(batches, limits)
    assert due.sum() - np.minimum(batches.sum(axis=1), due).sum() == most_missed(limits)


def most_missed(limits: WorkLimits) -> int:
    """Least unserved due work, from the linear program of the flow (whose vertices are whole)."""
    from scipy.optimize import linprog

    n = len(limits.due)
    eye = np.eye(n, dtype=bool)
    rows, right = [], []
    for i in range(n):
        owner, executor = np.zeros((n, n)), np.zeros((n, n))
        owner[i], executor[:, i] = 1, 1
        rows += [owner, owner * ~eye, executor, executor * ~eye]
        right += [limits.due[i], limits.may_leave[i], limits.capacity[i], limits.guest_room[i]]
    result = linprog(-np.ones(n * n), A_ub=np.array(rows).reshape(-1, n * n), b_ub=right)
    return int(limits.due.sum() - round(-result.fun))


def test_largest_remainder_wins() -> None:
    limits = WorkLimits(
        available=np.array([10, 0]),
        due=np.array([10, 0]),
        may_leave=np.array([5, 0]),
        capacity=np.array([10, 10]),
        guest_room=np.array([10, 10]),
    )
    assert round_batches(np.array([[6.4, 3.6], [0, 0]]), limits).tolist() == [[6, 4], [0, 0]]


def test_an_augmenting_path_is_found_where_greedy_stops() -> None:
    # both owners' largest remainder is node 2, which has room for one; only owner 0 has another place
    limits = WorkLimits(
        available=np.array([1, 1, 0]),
        due=np.array([1, 1, 0]),
        may_leave=np.array([1, 1, 0]),
        capacity=np.array([1, 0, 1]),
        guest_room=np.array([1, 1, 1]),
    )
    batches = round_batches(np.array([[0.4, 0, 0.6], [0.45, 0, 0.55], [0, 0, 0]]), limits)
    assert batches.sum(axis=1).tolist() == [1, 1, 0]
    assert keeps(batches, limits)


def test_transfers_are_clipped_to_the_cap() -> None:
    fleet = reference_day(1, nodes=2)
    fleet = replace(fleet, harvest_j=np.array([[10.0], [0.0]]))
    clipped = clip_transfers(Pairs.of_matrix(np.array([[3.0, 8.0], [-1e-12, 0.0]])), fleet)
    assert (clipped.source.tolist(), clipped.target.tolist()) == ([0], [1])
    assert 4.999 < clipped.amount[0] <= 5.0
