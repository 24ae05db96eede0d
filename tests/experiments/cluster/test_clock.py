"""A board's clock is waited for, with words, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from experiments.cluster.clock import DIFFER_AT_MOST, POLL_S, Clock
from experiments.errors import UsageError

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Waiting:
    """A clock of a board that is ``late``, and synchronised after ``synchronised_s``."""

    def __init__(self, late: timedelta, synchronised_s: float = float("inf")) -> None:
        self.late, self.synchronised_s = late, synchronised_s
        self.passed_s = 0.0
        self.said: list[str] = []

    def theirs(self) -> datetime:
        return NOW + timedelta(seconds=self.passed_s)

    def clock(self, wait_s: float) -> Clock:
        return Clock(wait_s, self.said.append, self._now, lambda: self.passed_s, self._sleep)

    def _now(self) -> datetime:
        return self.theirs() - (self.late if self.passed_s < self.synchronised_s else timedelta())

    def _sleep(self, seconds: float) -> None:
        self.passed_s += seconds


@pytest.mark.parametrize("late", [timedelta(), DIFFER_AT_MOST, -DIFFER_AT_MOST])
def test_clocks_that_agree_are_not_waited_for(late: timedelta) -> None:
    found = Waiting(late)
    found.clock(0.0).await_agreement(found.theirs(), found.theirs, "n7")
    assert (found.passed_s, found.said) == (0.0, [])


@pytest.mark.parametrize("late", [timedelta(days=9000), timedelta(minutes=-2)])
def test_it_goes_on_as_soon_as_the_clock_is_set(late: timedelta) -> None:
    found = Waiting(late, synchronised_s=7.0)
    found.clock(60.0).await_agreement(found.theirs(), found.theirs, "n7")
    assert found.passed_s == 4 * POLL_S
    assert "waiting for time synchronisation, 60 s at most" in found.said[0]
    assert "54 s at most" in found.said[-1]


@pytest.mark.parametrize("wait_s", [0.0, 5.0])
def test_after_the_longest_wait_it_says_what_to_do(wait_s: float) -> None:
    found = Waiting(timedelta(days=9000))
    with pytest.raises(
        UsageError,
        match=r'clock of n7 says 2001.*coordinator\'s 2026-06-01 12:00.*timedatectl.*date --utc --set "2026',
    ):
        found.clock(wait_s).await_agreement(found.theirs(), found.theirs, "n7")
    assert found.passed_s == wait_s


def test_a_coordinator_that_does_not_say_the_time_is_not_compared() -> None:
    Waiting(timedelta(days=9)).clock(0.0).await_agreement(None, lambda: None, "n7")
