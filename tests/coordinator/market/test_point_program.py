"""Work and operating points in one program: the optimum is that of all combinations of points."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.operating_points import at_points
from coordinator.market.point_program import joint_points
from coordinator.market.program import Program, build
from coordinator.market.solve import Session
from tests.coordinator.market.clocked import clocked

FREEDOMS = [
    Restrictions(transfers=False, offloading=False, harvest=True),
    Restrictions(transfers=False, offloading=True, harvest=True),
    Restrictions(transfers=True, offloading=True, harvest=True),
]


def objective_g(fleet: Fleet, freedoms: Restrictions, chosen: Ints, base: Program) -> float:
    """Least objective, g, at the points ``chosen``; work that is left costs what it does in ``base``."""
    program = build(at_points(fleet, chosen), freedoms, whole_batches=True)
    cost = program.cost.copy()
    for name in {"unserved", "left"} & program.layout.columns.keys():
        place = program.layout.columns[name]
        cost[place] = base.cost[place] * base.grams_per_unit / program.grams_per_unit
    solution = Session(replace(program, cost=cost)).run()
    assert solution.objective is not None
    return solution.objective * program.grams_per_unit


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 3), st.sampled_from(FREEDOMS), st.integers(0, 2)
)
def test_the_optimum_is_that_of_all_combinations(
    seed: int, nodes: int, slots: int, freedoms: Restrictions, deadline_slots: int
) -> None:
    fleet = clocked(seed, nodes, slots, deadline_slots)
    assert fleet.points is not None
    program = build(at_points(fleet, np.zeros(nodes, dtype=np.int64)), freedoms, whole_batches=True)
    plan = joint_points(program, fleet.points, mip_gap=1e-9)
    assert plan is not None
    assert plan.optimal
    choices = [np.flatnonzero(own) for own in fleet.points.allowed]
    best = min(
        objective_g(fleet, freedoms, np.array(chosen), program) for chosen in itertools.product(*choices)
    )
    assert plan.objective_g == pytest.approx(best, rel=1e-5, abs=1e-9)
    assert objective_g(fleet, freedoms, plan.points, program) == pytest.approx(best, rel=1e-5, abs=1e-9)


def test_no_time_to_spare_leaves_full_speed_and_time_to_spare_the_fewest_joules() -> None:
    fleet = clocked(1, 2, 1, 0)
    assert fleet.points is not None
    points = replace(
        fleet.points,
        speed_fraction=np.array([[1.0, 0.5]] * 2),
        energy_times=np.array([[1.0, 0.6]] * 2),
        static_w=np.repeat(fleet.static_w[:, None], 2, axis=1),
    )
    fleet = replace(
        fleet,
        points=points,
        backlog_batches=np.array([[9], [4]]),
        seconds_per_batch=np.full((2, 1), fleet.slot_s / 10),
        harvest_j=np.zeros((2, 1)),
        battery_j=np.zeros(2),
    )
    freedoms = Restrictions(transfers=False, offloading=False, harvest=True)
    program = build(at_points(fleet, np.zeros(2, dtype=np.int64)), freedoms, whole_batches=True)
    plan = joint_points(program, points)
    assert plan is not None
    assert plan.points.tolist() == [0, 1]
