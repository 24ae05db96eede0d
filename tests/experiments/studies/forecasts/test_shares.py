"""Shares of sums with intervals, days of the study, and remaining shares: by hand and on invented days."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.sources.forecast_file import ForecastFile
from carbon_data.sources.traces import trace_intensity
from carbon_data.types import MissingDataError
from experiments.studies.forecasts import survive
from experiments.studies.forecasts.days import REGIMES, scenario_of, spread_days, usable_days
from experiments.studies.forecasts.errors import by_day, errors_by_lead
from experiments.studies.forecasts.shares import share

HOUR = timedelta(hours=1)


def test_a_share_by_hand() -> None:
    """Parts 1 and 5 of wholes 2 and 6: 6/8. Residuals -0.5 and 0.5; error sqrt(0.5 / 2) / 4; t(1) is 12.706."""
    found = share([1.0, 5.0], [2.0, 6.0])
    assert found.value == pytest.approx(0.75)
    assert found.high is not None
    assert found.high - found.value == pytest.approx(12.7062 * math.sqrt(0.5 / 2) / 4, rel=1e-4)
    assert found.columns("x")["x_low"] == pytest.approx(2 * found.value - found.high)
    assert share([1.0], [2.0]).low is None
    assert math.isnan(share([1.0], [2.0]).columns("x")["x_high"])


def test_a_share_is_constant_where_every_day_has_it() -> None:
    found = share([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))


@pytest.mark.parametrize("whole", [[], [1.0, -1.0], [1.0]])
def test_a_share_of_nothing_is_refused(whole: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        share([1.0, 1.0], whole)


def test_intervals_hold_what_they_say() -> None:
    """Of 400 made-up studies of ten days about 95 of 100 hold the true share."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        whole = rng.uniform(1.0, 3.0, 10)
        part = 0.8 * whole + rng.normal(0.0, 0.2, 10)
        found = share(part, whole)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.8 <= found.high
    assert 0.91 < inside / 400 < 0.985


def test_days_are_spread_and_each_taken_once() -> None:
    usable = [datetime(2022, 1, 1, 8, tzinfo=UTC) + timedelta(days=k) for k in range(1, 364)]
    chosen = spread_days(10, 2022, usable)
    assert len(set(chosen)) == 10
    gaps = np.diff([day.timestamp() for day in chosen]) / 86_400.0
    assert ((gaps > 35) & (gaps < 38)).all()
    assert spread_days(2, 2022, usable[:2]) == tuple(usable[:2])
    with pytest.raises(MissingDataError, match="2 days of 2022 have all data"):
        spread_days(3, 2022, usable[:2])


def written(folder: Path) -> tuple[trace_intensity, ForecastFile]:
    """Forty days of two zones; Z1 lacks the issue of the 10th and the truth of an hour of the 20th."""
    truth, issued = ["time,zone,g"], ["zone,issued,lead_h,value"]
    begin = datetime(2022, 1, 1, tzinfo=UTC)
    for zone in ("Z0", "Z1"):
        for hour in range(40 * 24):
            value = "" if zone == "Z1" and hour == 19 * 24 + 5 else f"{100 + hour % 24 + hour // 24}"
            truth.append(f"{(begin + hour * HOUR).isoformat()},{zone},{value}")
        for day in range(40):
            for lead in range(96):
                at = 24 * day + lead
                value = "" if zone == "Z1" and day == 9 else f"{100 + at % 24 + at // 24 + 0.1 * lead}"
                issued.append(f"{zone},{(begin + timedelta(days=day)).isoformat()},{lead},{value}")
    (folder / "truth.csv").write_text("\n".join(truth) + "\n")
    (folder / "issued.csv").write_text("\n".join(issued) + "\n")
    return (
        trace_intensity(folder / "truth.csv", value_column="g", signal="average", scope="direct"),
        ForecastFile(folder / "issued.csv", scope="direct"),
    )


def test_days_without_an_issue_or_an_hour_are_not_taken(tmp_path: Path) -> None:
    """The issue of the 10th is used by the 9th (as the next) to the 12th; the hour of the 20th by three days."""
    truth, forecasts = written(tmp_path)
    days = {day.day for day in usable_days(truth, forecasts, ("Z0", "Z1"), 2022) if day.month == 1}
    assert days == set(range(3, 32)) - {9, 10, 11, 12} - {18, 19, 20}
    assert {d.day for d in usable_days(truth, forecasts, ("Z0",), 2022) if d.month == 1} == set(range(3, 32))


def test_errors_by_lead_by_hand(tmp_path: Path) -> None:
    """Issues err by a tenth of the lead; persistence by as many days as lie between."""
    truth, forecasts = written(tmp_path)
    found = errors_by_lead(truth, forecasts, ["Z0"]).set_index("lead_h")
    level = found["mean_g_per_kwh"]
    assert (found["issued_fraction"] * level)[[0, 10, 95]].tolist() == pytest.approx([0.0, 1.0, 9.5])
    assert (found["persistence_fraction"] * level)[[0, 23, 24, 95]].tolist() == pytest.approx([1, 1, 2, 4])
    pooled = by_day(errors_by_lead(truth, forecasts, ["Z0", "Z1"]))
    assert pooled[pooled["zone"] == "all"]["issued_fraction"].is_monotonic_increasing


def made_up() -> pd.DataFrame:
    rows = []
    for day, scale in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        for regime, grams in (("local", 10.0), ("perfect", 5.0), ("issued", 6.0), ("persistence", 7.0)):
            rows.append(
                {
                    "day": day,
                    "deadline_slots": 0,
                    "regime": regime,
                    "emissions_g": scale * grams,
                    "network_g": 0.0,
                    "harvest_to_demand": 0.4,
                    "Z0_g": scale * grams * 0.25,
                    "Z1_g": scale * (grams * 0.75 - 1.0),
                    "Z2_g": scale,
                }
            )
    return pd.DataFrame(rows)


def test_what_survives_by_hand() -> None:
    table = made_up()
    assert survive.surviving(table, 0, "perfect").value == pytest.approx(1.0)
    assert survive.surviving(table, 0, "issued").value == pytest.approx(0.8)
    assert survive.difference(table, 0, "issued", "persistence").value == pytest.approx(0.2)
    regimes = survive.by_regime(table).set_index("regime")
    assert regimes.loc["persistence", "surviving_fraction"] == pytest.approx(0.6)
    assert regimes.loc["issued", "reduction_fraction"] == pytest.approx(0.4)
    assert regimes["worse_days"].tolist() == [0, 0, 0]
    zones = survive.by_zone(table, ["Z0", "Z1", "Z2"]).set_index("zone")
    assert zones["lost_fraction"].tolist() == pytest.approx([0.05, 0.15, 0.0])
    assert zones["surviving_fraction"][:2].tolist() == pytest.approx([0.8, 0.8])
    assert math.isnan(zones.loc["Z2", "surviving_fraction"])


def test_every_regime_is_a_scenario() -> None:
    for regime in REGIMES:
        scenario = scenario_of(
            datetime(2022, 3, 1, 8, tzinfo=UTC), ("FR",), {"source": "profiles"}, regime, deadline_slots=6
        )
        assert scenario.forecast.kind == regime.table()["kind"]
        assert (scenario.limits.deadline_slots, scenario.seed) == (6, 59)
