"""Days of the study and the scenario of one: zones, regimes of knowledge, work that is due at once or may wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbon_data.types import MissingDataError
from experiments.studies.forecasts.days import REGIMES, scenario_of, spread_days, usable_days
from tests.experiments.studies.forecasts.written import written

HOUR = timedelta(hours=1)


def test_days_are_spread_and_each_taken_once() -> None:
    usable = [datetime(2022, 1, 1, 8, tzinfo=UTC) + timedelta(days=k) for k in range(1, 364)]
    chosen = spread_days(10, 2022, usable)
    assert len(set(chosen)) == 10
    gaps = np.diff([day.timestamp() for day in chosen]) / 86_400.0
    assert ((gaps > 35) & (gaps < 38)).all()
    assert spread_days(2, 2022, usable[:2]) == tuple(usable[:2])
    with pytest.raises(MissingDataError, match="2 days of 2022 have all data"):
        spread_days(3, 2022, usable[:2])


def test_days_without_an_issue_or_an_hour_are_not_taken(tmp_path: Path) -> None:
    """The issue of the 10th is used by the 9th (as the next) to the 12th; the hour of the 20th by three days."""
    truth, forecasts = written(tmp_path)
    days = {day.day for day in usable_days(truth, forecasts, ("Z0", "Z1"), 2022) if day.month == 1}
    assert days == set(range(3, 32)) - {9, 10, 11, 12} - {18, 19, 20}
    assert {d.day for d in usable_days(truth, forecasts, ("Z0",), 2022) if d.month == 1} == set(range(3, 32))


def test_every_regime_is_a_scenario() -> None:
    for regime in REGIMES:
        scenario = scenario_of(
            datetime(2022, 3, 1, 8, tzinfo=UTC), ("FR",), {"source": "profiles"}, regime, deadline_slots=6
        )
        assert scenario.forecast.kind == regime.table()["kind"]
        assert (scenario.limits.deadline_slots, scenario.seed) == (6, 59)
