"""Whole batches from fractional ones: conservation and limits as properties, the limits' corners by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from coordinator.market import rounding
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.pairs import Pairs
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.rounding import WorkLimits, clip_transfers, offload_room, round_batches
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


def most_missed(limits: WorkLimits, arcs: np.ndarray | None = None) -> int:
    """Least unserved due work, from the linear program of the flow (whose vertices are whole), with at most ``arcs``
    between two nodes."""
    n = len(limits.due)
    eye = np.eye(n, dtype=bool)
    rows, right = [], []
    for i in range(n):
        owner, executor = np.zeros((n, n)), np.zeros((n, n))
        owner[i], executor[:, i] = 1, 1
        rows += [owner, owner * ~eye, executor, executor * ~eye]
        right += [limits.due[i], limits.may_leave[i], limits.capacity[i], limits.guest_room[i]]
    bounds = [
        (0, None if arcs is None else int(most)) for most in (np.zeros((n, n)) if arcs is None else arcs).flat
    ]
    result = linprog(-np.ones(n * n), A_ub=np.array(rows).reshape(-1, n * n), b_ub=right, bounds=bounds)
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


MANY = 2**30


def three_nodes() -> Fleet:
    """Slots of 10 s with wake-ups of 1, 4 and 12 s; batches of 0.5, 0.3 and 2 s and of 4 B, two of three of each
    class may leave; the second of two deadline classes and slots has other figures throughout."""
    return replace(
        random_fleet(3, 3, 2, deadline_slots=1),
        slot_s=10.0,
        limits=replace(random_fleet(3).limits, offload_cap_fraction=2 / 3, deadline_slots=1, may_sleep=True),
        backlog_batches=np.array([[3, 7], [4, 0], [9, 2]]),
        seconds_per_batch=np.array([[0.5, 3.0], [0.3, 4.0], [2.0, 5.0]]),
        bytes_per_batch=np.array([4.0, 0.0]),
        storage_bytes=np.array([3.0, 41.0, 20.0]),
        offloadable=np.array([True, False]),
        wake_s=np.array([1.0, 4.0, 12.0]),
        asleep=np.array([True, True, False]),
    )


def told(limits: WorkLimits) -> list[list[int]]:
    columns = (limits.available, limits.due, limits.may_leave, limits.capacity, limits.guest_room)
    assert all(np.issubdtype(column.dtype, np.integer) for column in columns)
    return [column.tolist() for column in columns]


def test_limits_of_a_slot_by_hand() -> None:
    """Node 0 wakes in 1 s and has 9 s, node 1 in 4 s and has 6 s, node 2 is awake already."""
    fleet = three_nodes()
    assert offload_room(fleet).tolist() == [[2, 4], [2, 0], [6, 1]]
    awake = np.ones(3, dtype=bool)
    work = [[10, 4, 11], [3, 4, 9], [6, 2, 7]]
    assert told(WorkLimits.of(fleet, awake)) == [*work, [18, 20, 5], [0, 10, 5]]
    # who stays asleep runs nothing and holds nothing
    assert told(WorkLimits.of(fleet, np.array([True, False, True]))) == [*work, [18, 0, 5], [0, 0, 5]]
    # a node that was asleep where none may sleep needs no time to wake up
    watchful = replace(fleet, limits=replace(fleet.limits, may_sleep=False))
    assert told(WorkLimits.of(watchful, awake)) == [*work, [20, 33, 5], [0, 10, 5]]
    # what is left of a slot may be less than a second
    brief = replace(fleet, seconds_per_batch=np.zeros((3, 2)), wake_s=np.array([9.5, 10.0, 0.0]))
    assert told(WorkLimits.of(brief, awake))[3] == [MANY, 0, MANY]
    # a wake-up that takes longer than the slot leaves no time, also for work that takes none
    slow = replace(fleet, asleep=np.ones(3, dtype=bool))
    assert told(WorkLimits.of(slow, awake))[3] == [18, 20, 0]
    no_time = replace(slow, seconds_per_batch=np.zeros((3, 2)))
    assert told(WorkLimits.of(no_time, awake))[3] == [MANY, MANY, 0]


def test_what_may_leave_of_a_slot_by_hand() -> None:
    fleet, awake = three_nodes(), np.ones(3, dtype=bool)
    # as said by the fleet, or by the caller; and never more than there is
    kept = replace(fleet, offload_room_batches=np.array([[1, 3], [5, 5], [0, 1]]))
    assert offload_room(kept).tolist() == [[1, 3], [5, 5], [0, 1]]
    assert told(WorkLimits.of(kept, awake))[2] == [4, 4, 1]
    assert told(WorkLimits.of(kept, awake, np.array([[9, 1], [1, 9], [2, 2]])))[2] == [4, 1, 4]
    # nothing where the present slot's work may not leave
    at_home = replace(fleet, offloadable=np.array([False, True]))
    assert told(WorkLimits.of(at_home, awake))[2] == [0, 0, 0]
    # a batch of no bytes takes no room, one of half a byte takes some
    empty = replace(fleet, bytes_per_batch=np.array([0.0, 4.0]), storage_bytes=np.array([3.0, 0.0, 20.0]))
    assert told(WorkLimits.of(empty, awake))[4] == [MANY] * 3
    assert told(WorkLimits.of(replace(fleet, bytes_per_batch=np.array([0.5, 4.0])), awake))[4] == [6, 82, 40]
    # shares and quotients a rounding error below a whole number count as that number
    fleet = replace(
        fleet,
        limits=replace(fleet.limits, offload_cap_fraction=0.29),
        backlog_batches=np.array([[100, 0], [0, 200], [3, 3]]),
        seconds_per_batch=np.full((3, 2), 0.1),
        slot_s=0.3,
        asleep=np.zeros(3, dtype=bool),
    )
    assert 0.29 * 100 < 29
    assert 0.3 / 0.1 < 3
    assert offload_room(fleet).tolist() == [[29, 0], [0, 58], [0, 0]]
    assert told(WorkLimits.of(fleet, awake))[3] == [3, 3, 3]


def rounded(fractional: list[list[float]], early: bool = False, **changes: Any) -> list[list[int]]:
    """With ten batches a node, none of which is due, and no limits but these."""
    n = len(fractional)
    plain = dict.fromkeys(("available", "may_leave", "capacity", "guest_room"), np.full(n, 10))
    given_ = {name: np.array(value) for name, value in changes.items()}
    limits = WorkLimits(**({"due": np.zeros(n, dtype=np.int64)} | plain | given_))
    batches = round_batches(np.array(fractional), limits, early=early)
    assert keeps(batches, limits)
    assert np.issubdtype(batches.dtype, np.integer)
    return batches.tolist()


def test_totals_are_rounded_to_nearest_or_up() -> None:
    half = [[2.3, 1.2], [0.0, 4.4]]
    assert rounded(half) == [[3, 1], [0, 4]]
    assert rounded(half, early=True) == [[3, 1], [0, 5]]
    assert rounded([[2.5, 0.0], [0.0, 1.49]]) == [[3, 0], [0, 1]]
    # a total that is whole but for the solver's tolerance is not rounded up, an entry not down
    assert rounded([[2.0 + 9e-7, 0.0], [0.0, 3.0 - 9e-7]], early=True) == [[2, 0], [0, 3]]
    assert rounded([[2.0 + 2e-6, 0.0], [0.0, 3.0 - 9e-7]], early=True) == [[3, 0], [0, 3]]
    # to nearest where nothing else is said
    one = np.array([9])
    assert round_batches(np.array([[0.4]]), WorkLimits(one, np.array([0]), one, one, one)).tolist() == [[0]]
    # what a solver leaves below zero is nothing
    assert rounded([[4.0, -3.0], [-3.0, 2.0]]) == [[4, 0], [0, 2]]
    # no less than what is due, no more than there is
    assert rounded([[4.4, 0.0], [0.0, 2.0]], due=[5, 3]) == [[5, 0], [0, 3]]
    assert rounded([[4.6, 0.0], [0.0, 2.6]], available=[4, 10], due=[0, 0]) == [[4, 0], [0, 3]]


def test_remainders_go_up_where_limits_leave_room() -> None:
    """Both owners' largest remainder is node 2's; each limit in turn keeps one or both of them elsewhere."""
    flow = [[1.3, 0.0, 1.7], [0.0, 2.2, 1.8], [0.0, 0.0, 0.0]]
    assert rounded(flow) == [[1, 0, 2], [0, 2, 2], [0, 0, 0]]
    assert rounded(flow, capacity=[10, 10, 3]) == [[2, 0, 1], [0, 2, 2], [0, 0, 0]]
    assert rounded(flow, guest_room=[10, 10, 3]) == [[2, 0, 1], [0, 2, 2], [0, 0, 0]]
    assert rounded(flow, guest_room=[10, 10, 2]) == [[2, 0, 1], [0, 3, 1], [0, 0, 0]]
    assert rounded(flow, may_leave=[10, 1, 10]) == [[1, 0, 2], [0, 3, 1], [0, 0, 0]]
    assert rounded(flow, may_leave=[1, 10, 10]) == [[2, 0, 1], [0, 2, 2], [0, 0, 0]]
    # an own batch takes of a node's time, and of nothing else
    assert rounded([[1.7, 1.2], [0.0, 0.0]], may_leave=[1, 0], guest_room=[0, 1]) == [[2, 1], [0, 0]]
    # of equal remainders the first goes up
    assert rounded([[0.5, 0.5], [0.5, 0.5]]) == [[1, 0], [1, 0]]
    assert rounded([[0.5, 0.5], [0.5, 0.5]], capacity=[1, 10]) == [[1, 0], [0, 1]]


def test_home_takes_what_no_remainder_takes() -> None:
    """Three are due and two are planned: the third runs at home if there is time, and leaves if there is not."""
    assert rounded([[1.0, 1.0], [0.0, 0.0]], due=[3, 0]) == [[2, 1], [0, 0]]
    assert rounded([[1.0, 1.0], [0.0, 0.0]], due=[3, 0], capacity=[1, 10]) == [[1, 2], [0, 0]]
    # a millionth of a batch is no plan to send one
    assert rounded([[0.0, 1e-6], [0.0, 0.0]], due=[1, 0]) == [[1, 0], [0, 0]]
    assert rounded([[0.0, 2e-6], [0.0, 0.0]], due=[1, 0]) == [[0, 1], [0, 0]]
    # no node runs more than a count of 32 bits holds
    assert rounded([[1.0]], due=[3 * 10**9], available=[3 * 10**9], capacity=[MANY]) == [[MANY]]
    # what is not due waits where there is no time
    assert rounded([[1.0, 1.0], [0.0, 0.6]], due=[0, 0], capacity=[1, 1]) == [[1, 1], [0, 0]]


def test_a_flow_beyond_its_limits_is_laid_anew() -> None:
    """Three of node 0's batches at node 1, whose room, time or owner allows for fewer: one goes there, the rest stays
    at home. Where limits allow for three, three go."""
    flow = [[0.0, 3.0], [0.0, 0.0]]
    assert rounded(flow, due=[3, 0], guest_room=[0, 3], capacity=[0, 3], may_leave=[3, 0]) == [[0, 3], [0, 0]]
    assert rounded(flow, due=[3, 0], guest_room=[0, 2]) == [[2, 1], [0, 0]]
    assert rounded(flow, due=[3, 0], capacity=[10, 2]) == [[2, 1], [0, 0]]
    assert rounded(flow, due=[3, 0], may_leave=[2, 0]) == [[2, 1], [0, 0]]
    assert rounded(flow, due=[2, 0], available=[2, 0]) == [[1, 1], [0, 0]]


def test_due_work_keeps_to_the_plan_where_that_serves_it() -> None:
    """Node 2 has room for one, and both owners' largest remainder is there: owner 1 has no other place."""
    flow = [[0.4, 0.0, 0.6, 0.0], [0.0, 0.0, 0.55, 0.0], *[[0.0] * 4] * 2]
    wanted = {"due": [1, 1, 0, 0], "available": [1, 1, 0, 0], "may_leave": [1, 1, 0, 0]}
    assert rounded(flow, **wanted, capacity=[5, 0, 1, 5])[:2] == [[1, 0, 0, 0], [0, 0, 1, 0]]
    # without time at home owner 0 goes where nothing was planned
    assert rounded(flow, **wanted, capacity=[0, 0, 1, 5]).count([0] * 4) == 2
    assert np.sum(rounded(flow, **wanted, capacity=[0, 0, 1, 5]), axis=0).tolist() == [0, 0, 1, 1]


def drawn_limits(rng: np.random.Generator, n: int) -> WorkLimits:
    due = rng.integers(0, 6, n)
    limits = [rng.integers(low, 14, n) for low in (0, 0, 0)]
    return WorkLimits(due + rng.integers(0, 4, n), due, *limits)


def greedy(fractional: np.ndarray, limits: WorkLimits, early: bool) -> np.ndarray:
    """The rounding by its text, batch after batch: entries down, the largest remainders up where limits allow, then
    home."""
    n = len(fractional)
    flows = np.where(fractional > 0, fractional, 0.0)
    target = []
    for i in range(n):
        total = flows[i].sum()
        near = int(np.ceil(total - 1e-6)) if early else int(np.floor(total + 0.5))
        target.append(min(max(near, limits.due[i]), limits.available[i]))
    found = np.array([[int(np.floor(flow + 1e-6)) for flow in row] for row in flows])
    if not keeps(found, limits) or any(found[i].sum() > target[i] for i in range(n)):
        found[:] = 0
    rest = [(found[i, j] - flows[i, j], i, j) for i in range(n) for j in range(n)]
    for remainder, i, j in sorted(rest):
        if remainder < -1e-6 and found[i].sum() < target[i]:
            found[i, j] += 1
            if not keeps(found, limits):
                found[i, j] -= 1
    for i in range(n):
        while found[i].sum() < target[i] and found[:, i].sum() < limits.capacity[i]:
            found[i, i] += 1
    return found


def beside(base: np.ndarray, limits: WorkLimits, need: np.ndarray) -> WorkLimits:
    """What ``limits`` leave beside ``base`` for ``need`` more batches."""
    home = np.diag(base)
    return WorkLimits(
        available=need,
        due=need,
        may_leave=limits.may_leave - base.sum(axis=1) + home,
        capacity=limits.capacity - base.sum(axis=0),
        guest_room=limits.guest_room - base.sum(axis=0) + home,
    )


def test_rounding_is_that_of_its_text() -> None:
    """Quarters, so that many remainders are equal; every kind of limit binds in some of the draws."""
    rng = np.random.default_rng(8)
    compared = 0
    for _ in range(120):
        n = int(rng.integers(1, 8))
        limits, early = drawn_limits(rng, n), bool(rng.integers(2))
        flows = rng.integers(0, 9, (n, n)) / 4.0 * (rng.random((n, n)) < 0.5)
        expected = greedy(flows, limits, early)
        if (expected.sum(axis=1) >= limits.due).all():
            assert round_batches(flows, limits, early=early).tolist() == expected.tolist()
            compared += 1
            continue
        found = round_batches(flows, limits, early=early)
        assert keeps(found, limits)
        assert limits.due.sum() - np.minimum(found.sum(axis=1), limits.due).sum() == most_missed(limits)
    assert 30 < compared < 90


def test_further_batches_are_as_many_as_limits_and_arcs_allow() -> None:
    """A maximum flow beside what is placed already, against the linear program of the same flow."""
    rng = np.random.default_rng(4)
    for _ in range(60):
        n = int(rng.integers(1, 5))
        limits = drawn_limits(rng, n)
        base = rng.integers(0, 3, (n, n)) * (rng.random((n, n)) < 0.3)
        need, arcs = rng.integers(0, 5, n), rng.integers(0, 3, (n, n)) * (rng.random((n, n)) < 0.7)
        limits = WorkLimits(
            *(limits.available, limits.due),
            limits.may_leave + base.sum(axis=1) - np.diag(base),
            limits.capacity + base.sum(axis=0),
            limits.guest_room + base.sum(axis=0) - np.diag(base),
        )
        left = beside(base, limits, need)
        further = rounding._complete(need, arcs, base, limits)
        assert np.issubdtype(further.dtype, np.integer)
        assert keeps(further, left)
        assert (further <= arcs).all()
        assert need.sum() - further.sum() == most_missed(left, arcs)


def test_transfers_keep_to_what_each_donor_may_give() -> None:
    """Node 0 may give 5 J, node 1 2 J, node 2 nothing; losses of the solver below a billionth of the largest are
    none."""
    fleet = replace(
        reference_day(1, nodes=3),
        harvest_j=np.array([[10.0], [4.0], [0.0]]),
        limits=replace(reference_day(1).limits, transfer_cap_fraction=0.5),
    )

    def clipped(*rows: list[float]) -> list[list[float]]:
        return clip_transfers(Pairs.of_matrix(np.array(rows)), fleet).matrix(3).tolist()

    within = [0.0, 1.25, 2.5], [1.5, 0.0, 0.25], [0.0, 0.0, 0.0]
    assert clipped(*within) == [list(row) for row in within]
    # to itself, less than nothing, next to nothing: none
    assert clipped([7.0, 1.25, -2.5], [1.24e-9, 0.0, 1.26e-9], [0.0, 0.0, 0.0]) == [
        [0.0, 1.25, 0.0],
        [0.0, 0.0, 1.26e-9],
        [0.0, 0.0, 0.0],
    ]
    # a billionth of the largest is a transfer, also where that is a small one
    small = [0.0, 0.5, 0.5e-9], [0.0, 0.0, 0.4e-9], [0.0, 0.0, 0.0]
    assert clipped(*small) == [[0.0, 0.5, 0.5e-9], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert clipped(*[[0.0] * 3] * 3) == [[0.0] * 3] * 3
    exact = clipped([0.0, 4.0, 6.0], [1.0, 0.0, 1.0], [3.0, 0.0, 0.0])
    np.testing.assert_allclose(exact, [[0.0, 2.0, 3.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], rtol=1e-12)
    assert 5.0 * (1 - 1e-14) < sum(exact[0]) <= 5.0  # to the last bit within the cap
    assert exact[1] == [1.0, 0.0, 1.0]
