"""Rows on awake windows: they exclude no plan, and the relaxation with them is nearer to the optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coordinator.market.awake import awake_rows, own_windows
from coordinator.market.fleet import Fleet, Floats
from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import Program, build
from coordinator.market.solve import Session, SolverOptions, explain_unserved, unserved

EXACT = SolverOptions(mip_gap_fraction=0.0)
SOLVER = 3e-6
"""Two proven optima differ by so much at most: HiGHS takes whole numbers, rows and the last gap to 1e-6 each."""
EVERYTHING = Restrictions(transfers=True, offloading=True, harvest=True)


def day(seed: int, slack: int, load: int = 1, cap: float | None = None) -> Program:
    fleet = random_fleet(seed, 3, 4, deadline_slots=slack, may_sleep=True)
    if cap is not None:
        fleet = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=cap))
    more = replace(
        fleet, backlog_batches=load * fleet.backlog_batches, release_batches=load * fleet.release_batches
    )
    return build(more, EVERYTHING)


def test_a_node_that_cannot_sleep_is_awake_in_every_slot() -> None:
    """And what that costs lies between a fleet in which all can sleep and one in which none may."""
    fleet = random_fleet(3, 3, 4, deadline_slots=1, may_sleep=True)
    idle = replace(
        fleet, backlog_batches=0 * fleet.backlog_batches, release_batches=0 * fleet.release_batches
    )
    mixed = replace(idle, can_sleep=np.array([True, False, True]))
    plan = Plan(build(mixed, EVERYTHING), values(mixed))
    assert plan.awake.all(axis=1).tolist() == [False, True, False]
    nobody = replace(idle, limits=replace(idle.limits, may_sleep=False))
    grams = [Plan(build(each, EVERYTHING), values(each)).objective_g for each in (idle, mixed, nobody)]
    assert grams[0] < grams[1] < grams[2]


def test_a_node_that_cannot_sleep_in_some_slots_is_awake_in_them() -> None:
    fleet = random_fleet(3, 2, 4, deadline_slots=1, may_sleep=True)
    idle = replace(
        fleet, backlog_batches=0 * fleet.backlog_batches, release_batches=0 * fleet.release_batches
    )
    can = np.array([[True, False, True, True], [False, True, True, True]])
    some = replace(idle, can_sleep=can, wake_j=np.zeros(2))
    plan = Plan(build(some, EVERYTHING), values(some))
    assert plan.awake.tolist() == (~can).tolist()
    assert some.sleepers().tolist() == [True, False]


def test_why_work_is_left_undone_takes_no_node_s_place_away() -> None:
    fleet = random_fleet(3, 3, 4, deadline_slots=1, may_sleep=True)
    program = build(replace(fleet, can_sleep=np.zeros(3, dtype=bool)), EVERYTHING)
    explain_unserved(program)
    assert (program.column_lower[program.layout.columns["a"]] == 1.0).all()


def values(fleet: Fleet) -> Floats:
    found = Session(build(fleet, EVERYTHING), EXACT).run().values
    assert found is not None
    return found


def best(program: Program, *, tighten: bool) -> float:
    found = Session(program, EXACT, tighten=tighten).run()
    assert found.objective is not None
    return found.objective


@example(seed=410, slack=1, load=7)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), slack=st.integers(0, 2), load=st.sampled_from([1, 1, 7]))
def test_no_plan_is_cut_off(seed: int, slack: int, load: int) -> None:
    program = day(seed, slack, load)
    assert best(program, tighten=True) == pytest.approx(best(program, tighten=False), rel=1e-6, abs=SOLVER)


def test_the_relaxation_is_nearer_to_the_optimum() -> None:
    left = {True: 0.0, False: 0.0}
    for seed in range(8):
        program = day(seed, 1, cap=0.5)
        relaxed = replace(program, integer=np.zeros_like(program.integer))
        optimum = best(program, tighten=True)
        for tighten in left:
            bound = best(relaxed, tighten=tighten)
            assert bound <= optimum + 1e-6 * abs(optimum)
            left[tighten] += (optimum - bound) * program.grams_per_unit
    assert left[True] < 0.5 * left[False]


def test_work_that_no_node_can_do_is_missed_not_refused() -> None:
    program = day(1, 1, load=100, cap=0.5)
    values = Session(program, EXACT).run().values
    assert values is not None
    assert unserved(program, values) > 0


def test_no_rows_where_nodes_stay_awake_or_all_work_may_leave() -> None:
    free = day(0, 1, cap=1.0)
    assert len(awake_rows(free).least) == 0
    assert own_windows(free) == [[], [], []]
    limits = replace(free.fleet.limits, may_sleep=False, offload_cap_fraction=0.5)
    assert len(awake_rows(build(replace(free.fleet, limits=limits), EVERYTHING)).least) == 0


def test_where_nodes_may_not_sleep_there_are_no_rows() -> None:
    rows = awake_rows(build(random_fleet(3, 3, 4, deadline_slots=1), EVERYTHING))
    assert (rows.least.tolist(), rows.start.tolist(), rows.columns.tolist(), rows.values.tolist()) == (
        [],
        [0],
        [],
        [],
    )
    assert (rows.start.dtype, rows.columns.dtype) == (np.int32, np.int32)


def test_rows_of_awake_windows_by_hand() -> None:
    """Half a class may leave: the rest needs its node awake in the class's window, is missed, or left for later."""
    fleet = random_fleet(5, 2, 3, deadline_slots=1, may_sleep=True)
    fleet = replace(
        fleet,
        limits=replace(fleet.limits, offload_cap_fraction=0.5),
        backlog_batches=np.array([[3, 0], [1, 6]]),
        release_batches=np.array([[2, 5], [0, 4]]),
        seconds_per_batch=np.full((2, 3), 0.01),
    )
    program = build(fleet, EVERYTHING)
    columns = program.layout.columns
    rows = awake_rows(program)
    # node, first slot, last slot, batches that stay, class: two of the backlog, then two releases; none of nothing
    windows = [(0, 0, 0, 1.5, 0), (0, 1, 2, 1.0, 2), (0, 2, 2, 2.5, 3)]
    windows += [(1, 0, 0, 0.5, 0), (1, 0, 1, 3.0, 1), (1, 2, 2, 2.0, 3)]
    assert rows.least == pytest.approx([stays for _, _, _, stays, _ in windows])
    assert rows.start[0] == 0
    for k, (node, begin, last, stays, c) in enumerate(windows):
        part = slice(rows.start[k], rows.start[k + 1])
        awake = columns["a"][node, begin : last + 1].tolist()
        undone = [columns["unserved"][node, c], columns["left"][node, c]]
        assert rows.columns[part].tolist() == [*awake, *undone]
        assert rows.values[part] == pytest.approx([stays] * len(awake) + [1.0, 1.0])
    assert own_windows(program) == [[(0, 0), (1, 2), (2, 2)], [(0, 0), (0, 1), (2, 2)]]
    alone = build(fleet, Restrictions(transfers=True, offloading=False, harvest=True))
    assert awake_rows(alone).least == pytest.approx([2 * stays for _, _, _, stays, _ in windows])
