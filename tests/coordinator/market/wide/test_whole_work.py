"""Whole batches at the hub: limits, sums, and nothing far from the fractional plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market.rounding import WorkLimits
from coordinator.market.wide.whole_work import WholeWork, kinds, whole_work


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


def laid(room: Sequence[int], amount: int, key: Sequence[float]) -> list[int]:
    """``amount`` laid into ``room`` batch by batch, the place of the lowest ``key`` filled first."""
    out = [0] * len(room)
    for place in sorted(range(len(room)), key=lambda k: key[k]):
        while amount > 0 and out[place] < room[place]:
            out[place] += 1
            amount -= 1
    return out


def gathered(leaving: list[float], least: list[int], most: list[int], alike: Sequence[int]) -> list[float]:
    out = [float(value) for value in least]
    for kind in set(alike):
        nodes = [i for i in range(len(leaving)) if alike[i] == kind]
        pool = sum(leaving[i] - least[i] for i in nodes)
        for i in sorted(nodes, key=lambda i: -leaving[i]):
            put = min(pool, float(most[i] - least[i]))
            out[i] += put
            pool -= put
    return out


def by_its_text(
    total: list[float],
    away: list[float],
    guests: list[float],
    limits: WorkLimits,
    alike: Sequence[int] | None,
    early: bool,
    seen: Counter[str],
) -> list[list[int]]:
    """home, away, guests: node after node and batch after batch. ``seen`` counts what came about."""
    nodes = range(len(total))
    capacity, may_leave = limits.capacity.tolist(), limits.may_leave.tolist()
    target = []
    for i in nodes:
        near = int(np.ceil(total[i] - 1e-6)) if early else int(np.floor(total[i] + 0.5))
        near = min(max(near, int(limits.due[i])), int(limits.available[i]))
        target.append(min(near, capacity[i] + may_leave[i]))
    least = [max(target[i] - capacity[i], 0) for i in nodes]
    most = [min(may_leave[i], target[i]) for i in nodes]
    leaving = [min(max(away[i], float(least[i])), float(most[i])) for i in nodes]
    if alike is not None:
        leaving = gathered(leaving, least, most, alike)
    given = [int(np.floor(leaving[i] + 1e-6)) for i in nodes]
    rest_given = [leaving[i] - given[i] for i in nodes]
    room, taking = [], []
    for i in nodes:
        takes = guests[i] > 1e-6 and given[i] == 0 and rest_given[i] <= 1e-6
        room.append(min(int(limits.guest_room[i]), max(capacity[i] - target[i], 0)) if takes else 0)
        taking.append(takes)
    coming = [min(max(guests[i], 0.0), float(room[i])) for i in nodes]
    taken = [int(np.floor(coming[i] + 1e-6)) for i in nodes]
    rest_taken = [coming[i] - taken[i] for i in nodes]
    ups_given, ups_taken = sum(r > 1e-6 for r in rest_given), sum(r > 1e-6 for r in rest_taken)

    def lacking() -> int:
        return sum(given) - sum(taken) - ups_taken

    if lacking() > 0:
        seen["takers take more"] += 1
        free = [max(room[i] - taken[i] - (rest_taken[i] > 1e-6), 0) for i in nodes]
        taken = [a + b for a, b in zip(taken, laid(free, lacking(), [-f for f in free]), strict=True)]
    if lacking() > 0:
        seen["owners keep"] += 1
        can_stay = [given[i] - least[i] for i in nodes]
        given = [a - b for a, b in zip(given, laid(can_stay, lacking(), away), strict=True)]
    if lacking() > 0:
        seen["idle nodes take"] += 1
        free = []
        for i in nodes:
            places = min(int(limits.guest_room[i]), max(capacity[i] - target[i], 0))
            free.append(places if not taking[i] and given[i] == 0 and rest_given[i] <= 1e-6 else 0)
        taken = [a + b for a, b in zip(taken, laid(free, lacking(), [-f for f in free]), strict=True)]
    home = [target[i] - given[i] for i in nodes]
    if lacking() > 0:
        seen["undone"] += 1
        given = [a - b for a, b in zip(given, laid(given, lacking(), away), strict=True)]
    surplus = sum(taken) - sum(given) - ups_given
    if surplus > 0:
        seen[f"surplus of {min(surplus, 2)}"] += 1
        taken = [a - b for a, b in zip(taken, laid(taken, surplus, guests), strict=True)]
    low = max(sum(given), sum(taken))
    high = min(sum(given) + ups_given, sum(taken) + ups_taken)
    moved = round(sum(leaving))
    seen["low"] += moved < low
    seen["high"] += moved > high
    moved = min(max(moved, low), high)
    for number, rest, more in (
        (given, rest_given, moved - sum(given)),
        (taken, rest_taken, moved - sum(taken)),
    ):
        for i in sorted(nodes, key=lambda i: -rest[i])[:more]:
            number[i] += 1
            home[i] -= number is given
    return [home, given, taken]


def test_whole_work_is_that_of_its_text() -> None:
    """Quarters of batches, so that many remainders are equal; every step is needed in some of the draws."""
    rng = np.random.default_rng(3)
    seen: Counter[str] = Counter()
    for draw in range(600):
        n = int(rng.integers(1, 24))
        due = rng.integers(0, 5, n)
        limits = WorkLimits(
            available=due + rng.integers(0, 4, n),
            due=due,
            may_leave=rng.integers(0, 7, n),
            capacity=rng.integers(0, 14, n),
            guest_room=rng.integers(0, 9, n),
        )
        total = rng.integers(0, 33, n) / 4.0
        away = rng.integers(0, 25, n) / 4.0 * (rng.random(n) < rng.random())
        guests = rng.integers(-1, 33, n) / 4.0 * (rng.random(n) < rng.random())
        alike = rng.integers(0, 3, n) if draw % 2 else None
        early = bool(rng.integers(2))
        work = whole_work(total, away, guests, limits, alike, early=early)
        expected = by_its_text(
            total.tolist(),
            away.tolist(),
            guests.tolist(),
            limits,
            None if alike is None else alike.tolist(),
            early,
            seen,
        )
        assert numbers(work) == expected
    steps = {
        "takers take more",
        "owners keep",
        "idle nodes take",
        "undone",
        "surplus of 1",
        "surplus of 2",
        "low",
        "high",
    }
    assert {step for step, times in seen.items() if times > 5} == steps


def numbers(work: WholeWork) -> list[list[int]]:
    assert all(np.issubdtype(part.dtype, np.integer) for part in (work.home, work.away, work.guests))
    return [work.home.tolist(), work.away.tolist(), work.guests.tolist()]


def test_a_millionth_of_a_batch_is_none() -> None:
    """What an interior point leaves near a whole number is that number, and next to nothing takes no guests."""
    many, none = np.full(2, 10), np.zeros(2, dtype=np.int64)
    limits = WorkLimits(many, none, many, 3 * many, 3 * many)

    def moved(total: float, away: float, guests: float, **early: bool) -> list[list[int]]:
        return numbers(
            whole_work(np.array([total, 4.0]), np.array([away, 0]), np.array([0, guests]), limits, **early)
        )

    assert moved(5.0, 2.0 - 9e-7, 2.0 - 9e-7) == [[3, 4], [2, 0], [0, 2]]
    assert moved(5.0, 2.0 + 9e-7, 2.0 + 9e-7) == [[3, 4], [2, 0], [0, 2]]
    assert moved(5.4, 2.0, 2.0) == [[3, 4], [2, 0], [0, 2]]
    assert moved(5.5, 2.0, 2.0) == [[4, 4], [2, 0], [0, 2]]
    assert moved(5.0 + 9e-7, 2.0, 2.0, early=True) == [[3, 4], [2, 0], [0, 2]]
    assert moved(5.0 + 2e-6, 2.0, 2.0, early=True) == [[4, 4], [2, 0], [0, 2]]
    assert moved(5.0, 2.0, 1e-6) == [[5, 4], [0, 0], [0, 0]]
    assert moved(5.0, 2.0, 2e-6) == [[3, 4], [2, 0], [0, 2]]
    # exactly a millionth leaves nothing to round up: the guest that nobody sends stays away, and its sender may take
    one = np.array([1e-6, 1.0, 0.0])
    three, no_one = np.full(3, 10), np.zeros(3, dtype=np.int64)
    limits = WorkLimits(three, no_one, three, 3 * three, 3 * three)
    assert numbers(whole_work(np.full(3, 4.0), one, np.array([0.0, 0.0, 2.0]), limits))[1:] == [
        [0, 1, 0],
        [0, 0, 1],
    ]
    assert numbers(whole_work(np.full(3, 4.0), one, np.array([1.0, 0.0, 0.0]), limits))[1:] == [
        [0, 1, 0],
        [1, 0, 0],
    ]
    limits = WorkLimits(many, none, many, 3 * many, 3 * many)
    # two whole batches leave, a hair more is not a third; half a batch more is
    assert moved(5.0, 2.0, 2.5) == [[3, 4], [2, 0], [0, 2]]
    assert moved(5.0, 2.75, 2.75) == [[2, 4], [3, 0], [0, 3]]


def test_nodes_that_must_run_no_less_now_than_the_fractions_say() -> None:
    """Of 2.3 batches that may wait, one node runs three and the other two."""
    many = np.full(2, 9)
    limits = WorkLimits(
        available=many, due=np.zeros(2, dtype=np.int64), may_leave=np.zeros(2, dtype=np.int64), capacity=many,
        guest_room=np.zeros(2, dtype=np.int64),
    )  # fmt: skip
    total, nothing = np.full(2, 2.3), np.zeros(2)
    found = whole_work(total, nothing, nothing, limits, early=np.array([True, False]))
    assert found.home.tolist() == [3, 2]


def test_nodes_of_a_kind_are_alike_in_every_limit() -> None:
    """Seven nodes: one figure of each of the others than the first two is another one."""
    columns = np.full((5, 7), 4)
    for column in range(5):
        columns[column, 2 + column] = 5
    names = ("available", "due", "may_leave", "capacity")
    limits = WorkLimits(**dict(zip(names, columns[:4], strict=True)), guest_room=np.arange(7))
    found = kinds(limits, columns[4].astype(float))
    assert found.shape == (7,)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 6


def test_nodes_that_were_to_take_nothing_take_what_nodes_asleep_give() -> None:
    """The first node sleeps and has three batches; the second was to take one of them, the third none."""
    limits = WorkLimits(
        available=np.array([3, 0, 0]),
        due=np.array([3, 0, 0]),
        may_leave=np.array([3, 0, 0]),
        capacity=np.array([0, 1, 4]),
        guest_room=np.array([0, 1, 4]),
    )
    work = whole_work(np.array([3.0, 0.0, 0.0]), np.array([3.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), limits)
    assert work.away.tolist() == [3, 0, 0]
    assert work.guests.tolist() == [0, 1, 2]
    assert not work.home.any()
