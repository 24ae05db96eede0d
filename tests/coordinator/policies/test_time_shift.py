"""Time shift: work runs at home in the k cheapest slots before its deadline (methods.md section 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.policies.registry import make_policy, traits_of
from coordinator.policies.time_shift import shifted_batches


def test_time_shift_waits_for_the_cheapest_slots() -> None:
    intensity = np.array([[300.0, 100.0, 200.0], [50.0, 100.0, 200.0], [100.0, 100.0, 200.0]])
    backlog = np.array([[0, 0, 10]] * 3)
    # k = 1: node 0 waits for slot 1, node 1 runs now, node 2 ties and runs now
    assert shifted_batches(intensity, backlog, 1).tolist() == [0, 10, 10]
    # k = 2: node 0's two cheapest are slots 1 and 2; the others run half now
    assert shifted_batches(intensity, backlog, 2).tolist() == [0, 5, 5]
    # work at its deadline always runs
    assert shifted_batches(intensity, np.array([[4, 0, 10]] * 3), 1).tolist() == [4, 14, 14]


def test_time_shift_looks_at_each_class_and_keeps_time() -> None:
    """Node 0 has 6 batches due by slot 1 and 9 by slot 2, k = 2: classes of two and three slots."""
    intensity = np.array([[200.0, 100.0, 300.0]])
    # both slots of the first class: half of 6; slots 0 and 1 of the second: half of 9, rounded up
    assert shifted_batches(intensity, np.array([[0, 6, 9]]), 2).tolist() == [3 + 5]
    assert shifted_batches(intensity, np.array([[1, 6, 9]]), 1).tolist() == [1]
    # forecasts of one slot: everything now
    assert shifted_batches(intensity[:, :1], np.array([[1, 6, 9]]), 2).tolist() == [16]
    day = reference_day(3, nodes=1)
    fleet = replace(
        day,
        limits=replace(day.limits, deadline_slots=2),
        backlog_batches=np.array([[2, 6, 9]]),
        intensity_g_per_kwh=intensity,
        seconds_per_batch=np.full((1, 3), day.slot_s / 7.5),
    )
    assert make_policy("time-shift", cheapest=2).decide(fleet, {})[0].batches.tolist() == [[7]]
    assert make_policy("time-shift").decide(fleet, {})[0].batches.tolist() == [[2]]
    assert traits_of("time-shift").wanted_horizon(2) == 3
    with pytest.raises(ValueError, match="1 or more"):
        make_policy("time-shift", cheapest=0)


def test_time_shift_runs_everything_by_its_deadline() -> None:
    day = reference_day(3, nodes=1)
    fleet = replace(
        day,
        limits=replace(day.limits, deadline_slots=2),
        backlog_batches=np.array([[0, 0, 10]]),
        intensity_g_per_kwh=np.array([[300.0, 100.0, 200.0]]),
    )
    policy = make_policy("time-shift")
    decision, _ = policy.decide(fleet, policy.init(0))
    assert decision.batches.sum() == 0
    assert decision.unserved_batches.sum() == 0
