"""What a slot takes: the newest value that is in force, with age, flags and a forecast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from carbon_data.live.answer import Answer, Observation
from carbon_data.live.feed import Feed, Limits, NoValueError
from carbon_data.sources.forecast_file import Issue

HOUR = timedelta(hours=1)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LIMITS = Limits(stale_after_s=3600, refuse_after_s=7200, keep=False)


def seen(hours: float, value: float) -> Observation:
    """Of the hour that begins ``hours`` after noon."""
    return Observation(NOON + hours * HOUR, HOUR, value)


def feed(*observations: Observation, limits: Limits = LIMITS, forecast: Issue | None = None) -> Feed:
    made = Feed("DE", limits, HOUR)
    made.take(Answer(observations, forecast), NOON)
    return made


def issue(issued: float, first: float, *values: float) -> Issue:
    return Issue("DE", NOON + issued * HOUR, NOON + first * HOUR, HOUR, np.array(values))


def test_the_newest_interval_that_has_begun_is_taken_and_a_later_one_waits() -> None:
    made = feed(seen(-1, 100), seen(0, 200), seen(1, 300))
    taken = made.freeze(NOON + HOUR / 2, 0)
    assert (taken.observation.g_per_kwh, taken.age_s, taken.stale) == (200, 0, False)
    assert made.freeze(NOON + HOUR, 0).observation.g_per_kwh == 300


@pytest.mark.parametrize(("hours", "stale"), [(1.0, False), (2.0, False), (2.001, True), (3.0, True)])
def test_age_counts_from_the_end_of_the_interval(hours: float, stale: bool) -> None:
    taken = feed(seen(0, 200)).freeze(NOON + hours * HOUR, 0)
    assert taken.age_s == pytest.approx((hours - 1) * 3600)
    assert (taken.stale, taken.kept) == (stale, False)


def test_beyond_the_limit_a_value_is_refused_or_kept_as_said() -> None:
    late = NOON + 3.001 * HOUR
    strict = feed(seen(0, 200))
    assert not strict.is_usable(late)
    with pytest.raises(NoValueError, match=r"7204 s old; allowed are 7200 s .*beyond = \"keep\""):
        strict.freeze(late, 0)
    kind = feed(seen(0, 200), limits=Limits(3600, 7200, keep=True))
    assert kind.is_usable(late)
    taken = kind.freeze(late, 0)
    assert (taken.observation.g_per_kwh, taken.stale, taken.kept) == (200, True, True)
    with pytest.raises(NoValueError, match="no value has come yet"):
        Feed("DE", Limits(3600, 7200, keep=True), HOUR).freeze(late, 0)


def test_an_older_answer_that_comes_late_replaces_no_newer_value() -> None:
    made = feed(seen(0, 200), forecast=issue(0, 1, 210))
    made.take(Answer((seen(-1, 100),), issue(-1, 0, 1, 1)), NOON + HOUR)
    taken = made.freeze(NOON, 1)
    assert taken.observation.g_per_kwh == 200
    assert (taken.expected.issued, taken.expected.g_per_kwh) == (NOON, (210,))


def test_a_corrected_value_counts_from_its_correction_on() -> None:
    made = feed(seen(0, 200))
    made.take(Answer((seen(0, 250),)), NOON + HOUR / 4)
    taken = made.freeze(NOON + HOUR / 2, 0)
    assert (taken.observation.g_per_kwh, taken.received) == (250, NOON + HOUR / 4)


def test_the_services_forecast_goes_first_and_persistence_continues_it() -> None:
    day = [seen(k - 24, 1000 + k) for k in range(24)]
    made = feed(*day, seen(0, 200), forecast=issue(-0.25, 0, 201, 211, 221))
    expected = made.freeze(NOON, 4).expected
    assert expected.g_per_kwh == (211, 221, 1003, 1004)
    assert (expected.given_slots, expected.issued) == (2, NOON - HOUR / 4)


def test_persistence_is_the_day_before_and_the_present_value_where_that_is_not_known() -> None:
    made = feed(*[seen(k - 24, 1000 + k) for k in range(3)], seen(0, 200))
    expected = made.freeze(NOON, 26).expected
    assert expected.g_per_kwh[:3] == (1001, 1002, 200)
    assert expected.g_per_kwh[23] == 200, "a day on: as now, the last day that is known"
    assert (expected.given_slots, expected.issued) == (0, NOON)


def test_without_own_forecasts_persistence_alone_is_used() -> None:
    made = Feed("DE", LIMITS, HOUR, own_forecast=False)
    made.take(Answer((seen(0, 200),), issue(0, 0, 201, 211)), NOON)
    assert made.freeze(NOON, 1).expected.g_per_kwh == (200,)


def test_old_observations_are_forgotten_but_the_newest_is_not() -> None:
    old = NOON - 10 * 24 * HOUR
    made = feed(seen(-24 * 10, 7), limits=Limits(1, 1, keep=True))
    assert made.freeze(NOON, 0).observation.g_per_kwh == 7
    made.take(Answer((seen(0, 200),)), NOON)
    with pytest.raises(NoValueError):
        made.freeze(old + HOUR, 0)
