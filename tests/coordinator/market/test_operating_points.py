"""Costs at chosen points, and the best points for batches that are placed: as good as every combination."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.hand_over import busy_s, usable_s
from coordinator.market.operating_points import allowed_points, at_points, best_points
from coordinator.market.physics import execute
from coordinator.policies.local import local_decision
from tests.coordinator.market.clocked import clocked


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans())
def test_no_combination_of_points_has_fewer_grams_for_the_same_batches(
    seed: int, nodes: int, idle_differs: bool
) -> None:
    fleet = clocked(seed, nodes, 2)
    assert fleet.points is not None
    if idle_differs:
        lower = fleet.points.static_w * np.array([1.0, 0.95, 0.9])
        fleet = replace(fleet, points=replace(fleet.points, static_w=lower))
    decision = local_decision(fleet)
    chosen = best_points(fleet, decision)
    time_s = usable_s(fleet, decision.awake)
    assert allowed_points(fleet, chosen)
    assert (busy_s(at_points(fleet, chosen), decision) <= time_s * (1 + 1e-9)).all()

    def grams(points: np.ndarray) -> float:
        flows = execute(at_points(fleet, points), decision)
        return float(flows.operational_g.sum())

    every = itertools.product(*(np.flatnonzero(own) for own in fleet.points.allowed))
    fitting = [
        np.array(points)
        for points in every
        if (busy_s(at_points(fleet, np.array(points)), decision) <= time_s * (1 + 1e-9)).all()
    ]
    assert grams(chosen) == pytest.approx(min(map(grams, fitting)), rel=1e-9, abs=1e-12)


def test_a_point_changes_seconds_and_the_joules_of_computing_alone() -> None:
    fleet = clocked(5, 2, 3)
    assert fleet.points is not None
    chosen = np.array([1, 0])
    at = at_points(fleet, chosen)
    speed, energy = fleet.points.speed_fraction[0, 1], fleet.points.energy_times[0, 1]
    assert at.seconds_per_batch[0, 0] == pytest.approx(fleet.seconds_per_batch[0, 0] / speed)
    radio = fleet.joules_per_batch[0, 0] - fleet.points.compute_j[0, 0]
    assert at.joules_per_batch[0, 0] == pytest.approx(radio + energy * fleet.points.compute_j[0, 0])
    assert at.seconds_per_batch[1, 0] == fleet.seconds_per_batch[1, 0]
    assert (at.seconds_per_batch[:, 1:] == fleet.seconds_per_batch[:, 1:]).all()
    assert at.points is None
    assert not allowed_points(fleet, np.array([3, 0]))
    assert not allowed_points(at, np.array([1, 0]))


def test_nodes_asleep_and_fleets_without_points_run_at_full_speed() -> None:
    fleet = clocked(5, 3, 1)
    decision = replace(local_decision(fleet), awake=np.array([True, False, True]))
    assert best_points(fleet, decision)[1] == 0
    assert not best_points(replace(fleet, points=None), decision).any()
