"""Time stamps of a table as microseconds since 1970 UTC. A stamp whose zone is not stated is refused, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbon_data.sources.traces import trace_intensity
from carbon_data.types import DataError
from tests.carbon_data.sources.table_files import plain, read_table, write_table

HOUR = timedelta(hours=1)
MARCH = datetime(2023, 3, 1, tzinfo=UTC)
KNOWN = {"signal": "average", "scope": "direct"}
VALUES = [210.5, 230.25, 190.75, 310.0]
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]
HEADER = "timestamp,zone,gCO2e_per_kWh"
# --- time stamps ---------------------------------------------------------------------------------------------

EPOCH_S = int(MARCH.timestamp())


@pytest.mark.parametrize(
    ("stamps", "options"),
    [
        ([f"2023-03-01 {hour:02d}:00:00+00" for hour in range(4)], {}),
        ([f"2023-03-01 {hour:02d}:00 UTC" for hour in range(4)], {}),
        ([f"2023-03-01T{hour + 1:02d}:00:00+0100" for hour in range(4)], {}),
        ([str(EPOCH_S + 3600 * hour) for hour in range(4)], {}),
        ([str(1000 * (EPOCH_S + 3600 * hour)) for hour in range(4)], {}),
        ([f"2023-03-01 {hour + 1:02d}:00" for hour in range(4)], {"timezone": "Europe/Berlin"}),
        ([str(3600 * hour) for hour in range(4)], {"time_start": "2023-03-01T00:00:00Z"}),
        ([str(3600.0 * hour) for hour in range(4)], {"time_start": "2023-03-01T01:00:00+01:00"}),
    ],
    ids=["+00", "UTC", "offset", "epoch", "epoch-ms", "timezone", "seconds", "seconds-offset"],
)
def test_time_is_read_in_every_form_that_states_its_zone(
    tmp_path: Path, stamps: list[str], options: dict[str, str]
) -> None:
    np.testing.assert_array_equal(
        read_table(write_table(tmp_path / "t.csv", plain(stamps)), **options), VALUES
    )


def test_a_header_that_says_utc_states_the_zone(tmp_path: Path) -> None:
    text = plain([stamp[:-1] for stamp in STAMPS], "Time (UTC),zone,gCO2e_per_kWh")
    source = trace_intensity(write_table(tmp_path / "t.csv", text), time_column="Time (UTC)", **KNOWN)
    series = source.series("DE", MARCH, HOUR, 4)
    np.testing.assert_array_equal(series.intensity_g_per_kwh, VALUES)
    assert any("as the column's name" in note for note in series.origin.notes)


@pytest.mark.parametrize(
    ("stamps", "options", "said"),
    [
        ([stamp[:-1] for stamp in STAMPS], {}, 'timezone = "UTC"'),
        (["0", "3600", "7200", "10800"], {}, "time_start"),
        ([*STAMPS[:3], STAMPS[3][:-1]], {}, "others have one"),
        (["yesterday", *STAMPS[1:]], {}, "ISO 8601|others have one"),
        (STAMPS, {"timezone": "Mars/Base"}, "IANA"),
        (["0", "1", "2", "3"], {"time_start": "2023-03-01"}, "without a time zone"),
        (
            [f"2023-03-01T0{hour}:00Z" for hour in range(4)],
            {"time_start": "2023-03-01T00:00:00Z"},
            "time_start = .* no effect on time stamps",
        ),
    ],
)
def test_a_zone_is_never_guessed(
    tmp_path: Path, stamps: list[str], options: dict[str, str], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read_table(write_table(tmp_path / "t.csv", plain(stamps)), **options)


def test_an_hour_that_local_time_has_twice_is_refused(tmp_path: Path) -> None:
    stamps = [f"2023-10-29 0{hour}:00" for hour in (1, 2, 2, 3)]
    with pytest.raises(DataError, match="clocks change"):
        read_table(write_table(tmp_path / "t.csv", plain(stamps)), timezone="Europe/Berlin")
