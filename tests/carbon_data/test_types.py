"""Series and readings refuse what they could not mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from carbon_data.types import DataError, require_utc


def test_a_moment_without_a_zone_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="start"):
        require_utc(datetime(2022, 6, 21))
    with pytest.raises(ValueError, match="issued"):
        require_utc(datetime(2022, 6, 21), "issued")


@pytest.mark.parametrize(("year", "hours"), [(1, 14), (9999, -12)])
def test_a_moment_beyond_the_calendar_is_refused(year: int, hours: int) -> None:
    edge = datetime(1, 1, 1) if year == 1 else datetime(9999, 12, 31, 23)
    with pytest.raises(DataError, match="beyond the calendar; give a time from year 1 to 9999"):
        require_utc(edge.replace(tzinfo=timezone(timedelta(hours=hours))))


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    east = timezone(timedelta(hours=2))
    moment = require_utc(datetime(2022, 6, 21, 14, tzinfo=east))
    assert moment == datetime(2022, 6, 21, 12, tzinfo=UTC)
