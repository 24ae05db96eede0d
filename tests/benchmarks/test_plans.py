"""The benchmark of how often a fleet is planned."""

from __future__ import annotations

import pytest

from benchmarks.plans import jobs, measure, points, result
from benchmarks.policies import Job


def test_what_a_plan_less_often_emits_more_is_in_points_of_local() -> None:
    rows = [
        {"local": 10.0, "whole": 7.0, "1": 7.1, "2": 7.02, "4": 7.0},
        {"local": 20.0, "whole": 19.0, "1": 20.1, "2": 18.98, "4": 19.0},
    ]
    assert points(rows, 1) == pytest.approx([1.0, 5.5])
    found = result({"perfect": rows})
    assert found["figures"]["perfect_1_a_day_worse_than_local"] == 1
    assert found["figures"]["perfect_whole_of_local"] == pytest.approx(0.825)
    goal = found["goals"]["perfect_2_a_day_points"]
    assert goal == {"op": "<=", "goal": 0.3, "value": pytest.approx(0.05), "met": True}


def test_a_world_is_decided_in_every_way() -> None:
    assert len(jobs(quick=False)) == 120
    smallest = jobs(quick=True)[-1]
    assert isinstance(smallest, Job)
    row = measure(smallest)
    assert set(row) == {"local", "whole", "1", "2", "4"}
    assert 0 < row["whole"] <= min(row["1"], row["2"], row["4"]) * 1.001
