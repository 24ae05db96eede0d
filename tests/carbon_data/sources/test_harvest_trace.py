"""Harvest from a measured trace of output per unit of peak, scaled to a panel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbon_data.sources.conformance import harvest_violations
from carbon_data.sources.harvest_trace import HarvestTrace, eia_2022
from carbon_data.sources.registry import harvest_source
from carbon_data.types import DataError, MissingDataError
from tests.carbon_data.sources.table_files import write_table
from tests.carbon_data.sources.trace_files import frame, present, write

HOUR = timedelta(hours=1)
START = datetime(2023, 3, 1, tzinfo=UTC)


def harvest(tmp_path: Path, values: list[float], **options: str) -> HarvestTrace:
    table = frame(len(values))
    table["pu"] = values * 2
    return HarvestTrace(write(tmp_path / "h.csv", table), "pu", "A-1", peak_w=20.0, source="meter", **options)


SUMMER = datetime(2022, 6, 21, tzinfo=UTC)
MARCH = datetime(2023, 3, 1, tzinfo=UTC)
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]


def test_a_harvest_trace_scales_with_peak_power(tmp_path: Path) -> None:
    source = harvest(tmp_path, [0.0, 0.25, 1.0, 0.5] * 24)
    assert harvest_violations(source, START) == []
    np.testing.assert_allclose(source.series(START, HOUR, 4, seed=0).power_w, [0.0, 5.0, 20.0, 10.0])


def test_own_consumption_of_a_plant_is_no_harvest_and_is_reported(tmp_path: Path) -> None:
    series = harvest(tmp_path, [-0.01, 0.5, 0.5, -0.02]).series(START, HOUR, 4, seed=0)
    np.testing.assert_allclose(series.power_w, [0.0, 10.0, 10.0, 0.0])
    assert "2 intervals slightly negative" in series.origin.notes[0]


@pytest.mark.parametrize("value", [-0.5, 1.2])
def test_output_beyond_peak_or_far_below_zero_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(MissingDataError, match="01:00:00"):
        harvest(tmp_path, [0.1, value, 0.1]).series(START, HOUR, 3, seed=0)


def test_harvest_gaps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no value from"):
        harvest(tmp_path, [0.1, float("nan"), 0.1]).series(START, HOUR, 3, seed=0)


@pytest.mark.skipif(not present["eia-solar-wind-2022"], reason="the file is not in the data folder")
def test_solar_and_wind_file() -> None:
    for kind in ("solar", "wind"):
        assert harvest_violations(eia_2022("AZPS", peak_w=10.0, kind=kind), SUMMER) == []
    with pytest.raises(MissingDataError, match="no solar_pu of NYIS"):
        eia_2022("NYIS", peak_w=10.0)


# --- harvest -------------------------------------------------------------------------------------------------


def test_a_solar_trace_in_seconds_is_anchored(tmp_path: Path) -> None:
    text = "time,Berlin,Rome\n" + "".join(f"{300 * k},{k / 100},{k / 50}\n" for k in range(24))
    path = write_table(tmp_path / "solar.csv", text)
    with pytest.raises(DataError, match="time_start"):
        HarvestTrace(path, "Berlin", "Berlin", peak_w=10.0)
    for region in ("Berlin", "roof"):
        source = HarvestTrace(path, "Berlin", region, peak_w=10.0, time_start="2023-03-01T00:00:00Z")
        power = source.series(MARCH, HOUR, 2, seed=0).power_w
        np.testing.assert_allclose(
            power, [10 * np.mean(np.arange(12)) / 100, 10 * np.mean(np.arange(12, 24)) / 100]
        )


def test_a_harvest_s_option_of_the_wrong_type_is_named() -> None:
    with pytest.raises(DataError, match="power_w is 'x'"):
        harvest_source("constant", power_w="x")


def test_a_harvest_trace_without_column_or_region_says_what_its_file_has(tmp_path: Path) -> None:
    rows = "".join(f"{stamp},{area},0.25,0.5\n" for area in ("AZPS", "PJM") for stamp in STAMPS)
    path = write_table(tmp_path / "sun.csv", f"timestamp,region,solar_pu,wind_pu\n{rows}")
    with pytest.raises(DataError, match=r"column is not given; it has timestamp, region, solar_pu, wind_pu"):
        HarvestTrace(path, peak_w=10.0)
    with pytest.raises(DataError, match=r"no column 'sun_pu'; it has timestamp, .*column = "):
        HarvestTrace(path, "sun_pu", "PJM", peak_w=10.0)
    with pytest.raises(DataError, match=r"column 'region' has AZPS, PJM: choose one, region = "):
        HarvestTrace(path, "solar_pu", peak_w=10.0)
    with pytest.raises(DataError, match="'trace' needs path, got peak_w"):
        harvest_source("trace", peak_w=10.0)
    power = HarvestTrace(path, "solar_pu", "PJM", peak_w=10.0).series(MARCH, HOUR, 4, seed=0).power_w
    np.testing.assert_allclose(power, 2.5)
    alone = write_table(
        tmp_path / "roof.csv", "timestamp,pu\n" + "".join(f"{stamp},0.5\n" for stamp in STAMPS)
    )
    np.testing.assert_allclose(HarvestTrace(alone, "pu", peak_w=10.0).series(MARCH, HOUR, 4, 0).power_w, 5.0)
