"""Schedules are as good as the mixed-integer program's, within every limit, and their bound holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.layout import Restrictions
from coordinator.market.wide import decomposition, hub, schedules
from coordinator.market.wide.schedules import Search, plans_of_a_search
from tests.coordinator.market.wide.sleeping import EVERYTHING, mixed_fleet, optimum, searched, sleeping_fleet

freedoms = st.builds(Restrictions, transfers=st.booleans(), offloading=st.just(True), harvest=st.just(True))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 20), st.integers(1, 4), freedoms, st.booleans())
def test_at_most_two_hundredths_above_the_mixed_integer_optimum(
    seed: int, nodes: int, horizon: int, restrictions: Restrictions, mixed: bool
) -> None:
    fleet = mixed_fleet(seed, nodes, horizon) if mixed else sleeping_fleet(seed, nodes, horizon)
    plan, least_g = optimum(fleet, restrictions)
    search = searched(fleet, restrictions)
    best = search.best()
    scale = max(best.scale_g(0.0), plan.emissions_g)
    assert best.undone == 0.0
    assert best.awake[:, ~fleet.sleepers()].all()
    assert best.found.objective_g >= least_g - 1e-4 * scale, "below the optimum"
    assert best.found.objective_g <= plan.objective_g + 0.02 * scale
    assert search.bound_g <= plan.objective_g + 1e-5 * scale, "the bound holds"
    residuals = hub.residuals(best.program, best.found.plan)
    assert max(residuals.values()) < 1e-6, residuals


def test_the_same_fleet_has_the_same_schedule() -> None:
    fleet = sleeping_fleet(7, 8, 4)
    one, other = (searched(fleet).best() for _ in range(2))
    assert np.array_equal(one.awake, other.awake)
    assert one.found.objective_g == other.found.objective_g


def test_nobody_sleeps_where_all_have_work_that_stays_in_every_slot() -> None:
    fleet = sleeping_fleet(3, 6, 3)  # no work may wait
    limits = replace(fleet.limits, offload_cap_fraction=0.0)
    work = np.ones((6, 1), dtype=np.int64)
    fleet = replace(
        fleet,
        limits=limits,
        backlog_batches=work,
        release_batches=np.ones((6, 2), dtype=np.int64),
        stored_value_g_per_j=np.zeros(6),
    )
    search = searched(fleet)
    best = search.best()
    assert best.awake.all()
    assert search.bound_g == pytest.approx(best.found.objective_g, rel=2e-3)


def test_nodes_without_work_sleep() -> None:
    fleet = sleeping_fleet(3, 6, 3)
    none = np.zeros((6, 1), dtype=np.int64)
    fleet = replace(fleet, backlog_batches=none, release_batches=np.zeros((6, 2), dtype=np.int64))
    assert not searched(fleet).best().awake.any()


def test_owners_of_work_that_a_schedule_leaves_undone_are_woken() -> None:
    fleet = sleeping_fleet(3, 6, 3)
    search = searched(fleet)
    nobody = np.zeros((3, 6), dtype=bool)
    program = hub.from_fleet(fleet, EVERYTHING, whole_batches=True, awake=nobody)
    assert program.class_batches.any()
    found = search._served(nobody, np.ones((3, 6)))
    assert found.undone == 0.0
    owners = (program.class_batches > program.offload_cap_batches).T
    assert (owners <= found.awake.T).all()


def test_no_more_nodes_are_woken_than_the_work_takes() -> None:
    """Work that may leave is run by the nodes that ran most of it in the plan before, and not by every owner."""
    fleet = sleeping_fleet(3, 8, 2)
    work = np.full((8, 1), 2, dtype=np.int64)
    fleet = replace(
        fleet,
        limits=replace(fleet.limits, offload_cap_fraction=1.0),
        backlog_batches=work,
        release_batches=0 * work,
        offloadable=np.array([True, True]),
        storage_bytes=np.full(8, 1e9),
        seconds_per_batch=np.full((8, 2), fleet.slot_s / 10),
    )
    search = searched(fleet)
    found = search._plan(np.zeros((2, 8), dtype=bool))
    assert found.undone == pytest.approx(16.0)
    share = np.arange(16.0).reshape(2, 8) / 16
    woken = search._wake(found, share)
    assert woken[0].tolist() == [False] * 6 + [True] * 2, "ten batches each"
    assert not woken[1].any(), "nothing is due there"
    assert search._wake(found, share, every=True)[0].all()
    tied = replace(fleet, offloadable=np.array([False, False]))
    alone = searched(tied)
    assert alone._wake(alone._plan(np.zeros((2, 8), dtype=bool)), share)[0].all(), "owners alone may run it"


def test_a_slot_sleeps_and_another_is_awake_in_its_place() -> None:
    awake = np.array([[True, False, True], [False, True, False]])
    saves = np.array([3.0, 1.0, -2.0, 5.0, 4.0, -1.0])
    order = np.argsort(-saves, kind="stable")
    pairs = [tuple(pair.tolist()) for pair in schedules._swaps(order, saves, awake)]
    assert pairs == [(4, 3), (0, 3), (4, 1), (0, 1), (4, 5), (2, 1), (2, 5)], "one node, or one time"


def test_a_search_ends_where_plan_and_bound_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = sleeping_fleet(5, 6, 3)
    loose = searched(fleet, wanted=10.0)
    loose.best()
    firsts = loose.planned
    assert firsts <= 1 + 2 * len(schedules._SHARES) * (1 + schedules._WAKE_ROUNDS)

    def unproven(self: Search, one: object) -> bool:
        return False

    monkeypatch.setattr(Search, "_proven", unproven)
    monkeypatch.setattr(schedules, "_LEAST_PLANS", 3)
    monkeypatch.setattr(schedules, "_PLANS", 0)
    short = searched(fleet)
    short.best()
    assert short.planned <= firsts, "no more plans than a search makes"


def test_large_fleets_are_searched_for_less() -> None:
    small, large = (
        hub.from_fleet(sleeping_fleet(0, nodes, slots), EVERYTHING) for nodes, slots in ((5, 4), (900, 24))
    )
    waiting = hub.from_fleet(sleeping_fleet(1, 200, 24), EVERYTHING)
    assert (plans_of_a_search(small), plans_of_a_search(large)) == (120, 12)
    assert plans_of_a_search(waiting) == 12
    assert plans_of_a_search(hub.from_fleet(sleeping_fleet(0, 200, 24), EVERYTHING)) == 200_000 // 4_800


def test_groups_are_halves_then_single_ones() -> None:
    order = np.arange(9)
    sizes = [len(group) for group in schedules._groups(order)]
    assert sizes == [9, 4, 2, 1] + [1] * 8
    assert list(schedules._groups(np.arange(0))) == []


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_no_schedule_sleeps_where_a_node_cannot_in_that_slot(seed: int) -> None:
    """And it is as good as the mixed-integer program's, which knows the same slots."""
    can = np.random.default_rng(seed).random((5, 3)) < 0.5
    fleet = replace(sleeping_fleet(seed, 5, 3), can_sleep=can)
    plan, _ = optimum(fleet)
    search = searched(fleet)
    best = search.best()
    assert best.awake[~can.T].all()
    scale = max(best.scale_g(0.0), plan.emissions_g)
    assert best.found.objective_g <= plan.objective_g + 0.02 * scale
    assert search.bound_g <= plan.objective_g + 1e-4 * scale


def test_a_search_ends_after_the_plans_that_it_may_make() -> None:
    fleet = sleeping_fleet(7, 12, 4)
    few = schedules.search_of(
        fleet, EVERYTHING, lambda one: decomposition.solve(one, 1e-3, workers=1), 0.0, most_plans=3
    )
    few.best()
    assert 1 <= few.planned <= 3 + schedules._WAKE_ROUNDS
