"""Columns of a download of the Electricity Maps data portal (CSV, one zone or several a file)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.files.folders import data_dir
from carbon_data.sources.traces import trace_intensity
from carbon_data.types import DataError
from tests.carbon_data.sources.table_files import plain, write_table

HOUR = timedelta(hours=1)
MARCH = datetime(2023, 3, 1, tzinfo=UTC)
KNOWN = {"signal": "average", "scope": "direct"}
VALUES = [210.5, 230.25, 190.75, 310.0]
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]
HEADER = "timestamp,zone,gCO2e_per_kWh"
# --- portal downloads ----------------------------------------------------------------------------------------

PORTAL = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated,Data estimation method\n"
)


def portal(method: str = "", estimated: str = "False", header: str = PORTAL) -> str:
    rows = [
        f"2023-03-01 {hour:02d}:00:00,Germany,Germany,DE,{300 + hour},{350 + hour},x,{estimated},{method}\n"
        for hour in range(4)
    ]
    return header + "".join(rows)


def test_a_portal_download_is_read_as_it_is(tmp_path: Path) -> None:
    path = write_table(tmp_path / "de.csv", portal())
    source = trace_intensity(path, format="electricity-maps")
    series = source.series("DE", MARCH, HOUR, 4)
    np.testing.assert_array_equal(series.intensity_g_per_kwh, [350, 351, 352, 353])
    assert (series.origin.signal, series.origin.scope) == ("average", "life-cycle")
    assert series.origin.licence == "ODbL-1.0"
    direct = trace_intensity(path, format="electricity-maps", scope="direct").series("DE", MARCH, HOUR, 4)
    np.testing.assert_array_equal(direct.intensity_g_per_kwh, [300, 301, 302, 303])
    older = write_table(
        tmp_path / "old.csv",
        portal(header=PORTAL.replace("Life cycle", "LCA").replace("intensity", "Intensity")),
    )
    again = trace_intensity(older, format="electricity-maps").series("DE", MARCH, HOUR, 4)
    np.testing.assert_array_equal(again.intensity_g_per_kwh, series.intensity_g_per_kwh)


def test_a_portal_download_without_its_format_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='format = "electricity-maps"'):
        trace_intensity(write_table(tmp_path / "de.csv", portal()), **KNOWN)
    with pytest.raises(DataError, match="not a portal download"):
        trace_intensity(write_table(tmp_path / "t.csv", plain()), format="electricity-maps")


def test_estimates_are_counted_and_values_of_the_test_mode_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "e.csv", portal("TIME_SLICER_AVERAGE", "True"))
    series = trace_intensity(path, format="electricity-maps").series("DE", MARCH, HOUR, 3)
    assert "zone DE: 3 of 3 values are estimates of the source" in series.origin.notes
    with pytest.raises(DataError, match="estimates"):
        trace_intensity(path, format="electricity-maps", allow_estimated=False)
    made_up = write_table(tmp_path / "s.csv", portal("SANDBOX_MODE_DATA", "True"))
    with pytest.raises(DataError, match="test mode"):
        trace_intensity(made_up, format="electricity-maps")
    with pytest.raises(DataError, match="test mode"):
        trace_intensity(
            made_up, value_column="Carbon intensity gCO₂eq/kWh (direct)", zone_column="Zone id", **KNOWN
        )


SAMPLE = data_dir() / "carbon" / "em_portal_2022_hourly_US-NE-ISNE.csv"


@pytest.mark.skipif(not SAMPLE.is_file(), reason="the file is not in the data folder")
def test_a_real_portal_download() -> None:
    source = trace_intensity(SAMPLE, format="electricity-maps")
    assert source.zones() == ["US-NE-ISNE"]
    summer = source.series("US-NE-ISNE", datetime(2022, 6, 21, tzinfo=UTC), HOUR, 24)
    raw = pd.read_csv(SAMPLE)
    column = "Carbon intensity gCO₂eq/kWh (Life cycle)"
    expected = raw.loc[raw["Datetime (UTC)"].str.startswith("2022-06-21"), column]
    np.testing.assert_array_equal(summer.intensity_g_per_kwh, expected)
