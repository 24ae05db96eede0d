"""The benchmark of decisions of large fleets."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.optimiser import large_fleet
from benchmarks.scale import extrapolated_s, waiting_fleet, waiting_over_not


@pytest.mark.parametrize("deadline_slots", [0, 3])
def test_work_that_waits_is_the_same_work(deadline_slots: int) -> None:
    waiting, fleet = waiting_fleet(7, 5, deadline_slots), large_fleet(7, 5)
    np.testing.assert_array_equal(waiting.backlog_batches.sum(axis=1), fleet.backlog_batches[:, 0])
    assert waiting.backlog_batches.shape[1] == deadline_slots + 1
    if deadline_slots == 0:
        np.testing.assert_array_equal(waiting.backlog_batches, fleet.backlog_batches)


def test_no_work_is_left_undone_where_it_may_wait() -> None:
    ratio, seconds, undone = waiting_over_not(61, 4, 1)
    assert undone == 0
    assert ratio > 0
    assert seconds > 0


def test_growth_is_that_of_the_two_largest() -> None:
    seconds, power = extrapolated_s({10: 1.0, 20: 3.0, 40: 24.0}, 80)
    assert (seconds, power) == (pytest.approx(192.0), pytest.approx(3.0))
