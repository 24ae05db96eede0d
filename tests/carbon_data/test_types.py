"""Series and readings refuse what they could not mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from carbon_data.types import require_utc


def test_a_moment_without_a_zone_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="start"):
        require_utc(datetime(2022, 6, 21))
    with pytest.raises(ValueError, match="issued"):
        require_utc(datetime(2022, 6, 21), "issued")


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    east = timezone(timedelta(hours=2))
    moment = require_utc(datetime(2022, 6, 21, 14, tzinfo=east))
    assert moment == datetime(2022, 6, 21, 12, tzinfo=UTC)
