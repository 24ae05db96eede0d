"""Nearest-green greedy: offload to the nearest node with c_j < 0.8 c_i and room (methods.md section 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Floats, Ints
from coordinator.market.instances import reference_day
from coordinator.market.rounding import WorkLimits
from coordinator.policies import nearest_green
from coordinator.policies.registry import make_policy


def limits_of(**changes: Any) -> WorkLimits:
    four = {
        "available": np.array([10, 10, 0, 0]),
        "due": np.array([10, 10, 0, 0]),
        "may_leave": np.array([5, 5, 0, 0]),
        "capacity": np.array([20, 20, 3, 20]),
        "guest_room": np.full(4, 100),
    }
    return WorkLimits(**(four | changes))


def nearest_green_batches(intensity: Floats, limits: WorkLimits, threshold: float) -> Ints:
    """(N, N) by owner and executor."""
    home, moves = nearest_green.nearest_green_batches(intensity, limits, threshold)
    return np.diag(home) + moves.matrix(len(home))


def test_nearest_green_by_hand() -> None:
    # node 2 is nearest and green (79 < 0.8 * 100) with room for 3; node 3 (80) is not green for 0 and 1
    batches = nearest_green_batches(np.array([100.0, 100.0, 79.0, 80.0]), limits_of(), 0.8)
    assert batches[0].tolist() == [7, 0, 3, 0]
    assert batches[1].tolist() == [0, 10, 0, 0]
    # with node 3 cleaner too, what node 2 has no room for goes there
    batches = nearest_green_batches(np.array([100.0, 100.0, 79.0, 10.0]), limits_of(), 0.8)
    assert batches[0].tolist() == [5, 0, 3, 2]
    assert batches[1].tolist() == [0, 5, 0, 5]
    # storage counts as well
    tight = limits_of(guest_room=np.array([0, 0, 1, 0]))
    assert nearest_green_batches(np.array([100.0, 100.0, 79.0, 10.0]), tight, 0.8).sum(axis=0).tolist() == [
        9,
        10,
        1,
        0,
    ]


def test_nearest_green_sends_first_what_does_not_fit_at_home() -> None:
    tight = limits_of(capacity=np.array([8, 20, 0, 20]))
    batches = nearest_green_batches(np.array([100.0, 100.0, 79.0, 10.0]), tight, 0.8)
    assert batches[0].tolist() == [5, 0, 0, 5]


def test_nearest_green_decides_by_the_present_intensity_and_its_threshold() -> None:
    """Node 1 has 60 % of node 0's intensity now and a higher one later."""
    day = reference_day(2, nodes=2)
    fleet = replace(
        day,
        intensity_g_per_kwh=np.array([[100.0, 10.0], [60.0, 500.0]]),
        backlog_batches=np.full((2, 1), 10),
        seconds_per_batch=np.ones((2, 2)),
    )
    batches = make_policy("nearest-green").decide(fleet, {})[0].batches
    assert batches.tolist() == [[5, 5], [0, 10]]
    batches = make_policy("nearest-green", threshold=0.5).decide(fleet, {})[0].batches
    assert batches.tolist() == [[10, 0], [0, 10]]
    for threshold in (0.0, 1.1):
        with pytest.raises(ValueError, match="above 0"):
            make_policy("nearest-green", threshold=threshold)


def test_nearest_green_gives_back_the_time_of_what_it_sends() -> None:
    """No node has time to spare but node 2; node 0 sends three batches there, and has time for three of node 3."""
    tight = limits_of(
        available=np.array([10, 10, 0, 10]),
        due=np.array([10, 10, 0, 10]),
        may_leave=np.array([5, 5, 0, 5]),
        capacity=np.array([10, 10, 3, 10]),
    )
    batches = nearest_green_batches(np.array([100.0, 50.0, 30.0, 200.0]), tight, 0.8)
    # node 0: nearest green is 1 (no time), then 2 (three); node 1: 2 is full; node 3: 2 is full, then 1 is, then 0 has
    assert batches.tolist() == [[7, 0, 3, 0], [0, 10, 0, 0], [0, 0, 0, 0], [3, 0, 0, 7]]


def test_nearest_green_adds_up_the_time_of_all_that_it_sends() -> None:
    """Node 0 sends two batches to each of two green nodes: there is time for four of node 3 then, not for two."""
    tight = limits_of(
        available=np.array([10, 0, 0, 10]),
        due=np.array([10, 0, 0, 10]),
        may_leave=np.array([5, 0, 0, 5]),
        capacity=np.array([10, 2, 2, 10]),
    )
    batches = nearest_green_batches(np.array([100.0, 50.0, 30.0, 200.0]), tight, 0.8)
    assert batches.tolist() == [[6, 2, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0], [4, 0, 0, 6]]
