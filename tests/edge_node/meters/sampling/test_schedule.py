"""Times at which a sampler reads."""

from __future__ import annotations

import pytest

from edge_node.meters.sampling.schedule import Schedule


def test_a_fast_schedule_is_regular_and_does_not_drift() -> None:
    schedule = Schedule(5, 1000.0)
    assert [schedule.next_ns(0) for _ in range(3)] == [5, 1_000_005, 2_000_005]
    assert schedule.next_ns(now_ns=7_400_000) == 7_000_005  # late: on time again, periods in between left out
    assert schedule.next_ns(now_ns=7_400_000) == 8_000_005


def test_a_slow_schedule_reads_once_in_every_period_at_a_random_moment() -> None:
    schedule, again, other = (Schedule(0, 10.0, seed) for seed in (3, 3, 4))
    due = [schedule.next_ns() for _ in range(50)]
    assert [at // 100_000_000 for at in due] == list(range(50))
    assert len({at % 100_000_000 for at in due}) == 50
    assert due == [again.next_ns() for _ in range(50)] != [other.next_ns() for _ in range(50)]


def test_a_rate_is_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Schedule(0, 0.0)
