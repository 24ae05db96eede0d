"""Formats of trace files: dialects, time stamps, portal downloads, one file per zone, units."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.files.folders import data_dir
from carbon_data.sources.harvest_trace import HarvestTrace
from carbon_data.sources.registry import harvest_source, intensity_source
from carbon_data.sources.traces import trace_intensity
from carbon_data.types import DataError, MissingDataError, UnknownZoneError

HOUR = timedelta(hours=1)
START = datetime(2023, 3, 1, tzinfo=UTC)
KNOWN = {"signal": "average", "scope": "direct"}
VALUES = [210.5, 230.25, 190.75, 310.0]
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]
HEADER = "timestamp,zone,gCO2e_per_kWh"


def plain(stamps: list[str] = STAMPS, header: str = HEADER) -> str:
    rows = [f"{stamp},DE,{value}" for stamp, value in zip(stamps, VALUES, strict=True)]
    return "\n".join([header, *rows]) + "\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, zone: str = "DE", **options: object) -> np.ndarray:
    source = trace_intensity(path, **{**KNOWN, **options})
    return source.series(zone, START, HOUR, 4).intensity_g_per_kwh


# --- dialects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (plain(header="Timestamp,ZONE,gco2e_per_kwh"), "utf-8"),
        (plain(header=" timestamp , zone , gCO2e_per_kWh "), "utf-8"),
        ("# made by a colleague\n\n" + plain(), "utf-8"),
        (plain(), "utf-8-sig"),
        (plain(), "utf-16"),
        (plain().replace("\n", "\r\n"), "utf-8-sig"),
        (plain().replace(",", ";").replace(".", ","), "utf-8"),
        (plain().replace(",", "\t"), "utf-8"),
        (plain().replace(",", " | "), "utf-8"),
    ],
    ids=["capitals", "blanks", "comments", "mark", "utf-16", "windows", "semicolons", "tabs", "bars"],
)
def test_an_unambiguous_format_is_detected(tmp_path: Path, text: str, encoding: str) -> None:
    np.testing.assert_array_equal(read(write(tmp_path / "t.csv", text, encoding)), VALUES)


def test_notes_state_what_was_detected(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", plain().replace(",", ";").replace(".", ","), "utf-8-sig")
    notes = " ".join(trace_intensity(path, **KNOWN).series("DE", START, HOUR, 4).origin.notes)
    assert "';'" in notes
    assert "utf-8-sig" in notes


def test_an_old_windows_encoding_is_named_and_then_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "# Köln\n" + plain(), "cp1252")
    with pytest.raises(DataError, match='encoding = "cp1252"'):
        read(path)
    np.testing.assert_array_equal(read(path, encoding="cp1252"), VALUES)
    with pytest.raises(DataError, match="encoding 'klingon' is not known"):
        read(path, encoding="klingon")


def test_a_comma_that_may_be_either_is_asked_for(tmp_path: Path) -> None:
    text = "timestamp;zone;gCO2e_per_kWh\n" + "\n".join(f"{stamp};DE;1,125" for stamp in STAMPS) + "\n"
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(DataError, match=r'decimal = "\." or decimal = ","'):
        read(path)
    np.testing.assert_array_equal(read(path, decimal=","), [1.125] * 4)
    np.testing.assert_array_equal(read(path, decimal="."), [1125.0] * 4)


def test_a_separator_that_is_not_found_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", plain().replace(",", "~"))
    with pytest.raises(DataError, match="separator"):
        read(path)
    np.testing.assert_array_equal(read(path, separator="~"), VALUES)


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "n/a", "null", "-"])
def test_a_cell_without_a_value_is_a_gap_not_a_zero(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "t.csv", plain().replace("190.75", cell))
    with pytest.raises(MissingDataError, match="no value from 2023-03-01T02:00"):
        read(path)


def test_na_is_a_zone(tmp_path: Path) -> None:
    text = plain() + "\n".join(f"{stamp},NA,{50 + k}" for k, stamp in enumerate(STAMPS)) + "\n"
    path = write(tmp_path / "t.csv", text)
    np.testing.assert_array_equal(read(path, "NA"), [50, 51, 52, 53])
    np.testing.assert_array_equal(read(path, "DE"), VALUES)


# --- time stamps ---------------------------------------------------------------------------------------------

EPOCH_S = int(START.timestamp())


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
    np.testing.assert_array_equal(read(write(tmp_path / "t.csv", plain(stamps)), **options), VALUES)


def test_a_header_that_says_utc_states_the_zone(tmp_path: Path) -> None:
    text = plain([stamp[:-1] for stamp in STAMPS], "Time (UTC),zone,gCO2e_per_kWh")
    source = trace_intensity(write(tmp_path / "t.csv", text), time_column="Time (UTC)", **KNOWN)
    series = source.series("DE", START, HOUR, 4)
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
        read(write(tmp_path / "t.csv", plain(stamps)), **options)


def test_an_hour_that_local_time_has_twice_is_refused(tmp_path: Path) -> None:
    stamps = [f"2023-10-29 0{hour}:00" for hour in (1, 2, 2, 3)]
    with pytest.raises(DataError, match="clocks change"):
        read(write(tmp_path / "t.csv", plain(stamps)), timezone="Europe/Berlin")


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
    path = write(tmp_path / "de.csv", portal())
    source = trace_intensity(path, format="electricity-maps")
    series = source.series("DE", START, HOUR, 4)
    np.testing.assert_array_equal(series.intensity_g_per_kwh, [350, 351, 352, 353])
    assert (series.origin.signal, series.origin.scope) == ("average", "life-cycle")
    assert series.origin.licence == "ODbL-1.0"
    direct = trace_intensity(path, format="electricity-maps", scope="direct").series("DE", START, HOUR, 4)
    np.testing.assert_array_equal(direct.intensity_g_per_kwh, [300, 301, 302, 303])
    older = write(
        tmp_path / "old.csv",
        portal(header=PORTAL.replace("Life cycle", "LCA").replace("intensity", "Intensity")),
    )
    again = trace_intensity(older, format="electricity-maps").series("DE", START, HOUR, 4)
    np.testing.assert_array_equal(again.intensity_g_per_kwh, series.intensity_g_per_kwh)


def test_a_portal_download_without_its_format_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='format = "electricity-maps"'):
        trace_intensity(write(tmp_path / "de.csv", portal()), **KNOWN)
    with pytest.raises(DataError, match="not a portal download"):
        trace_intensity(write(tmp_path / "t.csv", plain()), format="electricity-maps")


def test_estimates_are_counted_and_values_of_the_test_mode_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "e.csv", portal("TIME_SLICER_AVERAGE", "True"))
    series = trace_intensity(path, format="electricity-maps").series("DE", START, HOUR, 3)
    assert "zone DE: 3 of 3 values are estimates of the source" in series.origin.notes
    with pytest.raises(DataError, match="estimates"):
        trace_intensity(path, format="electricity-maps", allow_estimated=False)
    made_up = write(tmp_path / "s.csv", portal("SANDBOX_MODE_DATA", "True"))
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


# --- one file per zone ---------------------------------------------------------------------------------------


def test_one_file_a_zone(tmp_path: Path) -> None:
    for zone, base in (("DE", 300), ("FR", 40)):
        rows = "".join(f"{stamp},{base + k}\n" for k, stamp in enumerate(STAMPS))
        write(tmp_path / f"{zone}.csv", "timestamp,gCO2e_per_kWh\n" + rows)
    files = {zone: tmp_path / f"{zone}.csv" for zone in ("DE", "FR")}
    source = trace_intensity(files=files, **KNOWN)
    assert source.zones() == ["DE", "FR"]
    series = {zone: source.series(zone, START, HOUR, 4) for zone in files}
    np.testing.assert_array_equal(series["DE"].intensity_g_per_kwh, [300, 301, 302, 303])
    np.testing.assert_array_equal(series["FR"].intensity_g_per_kwh, [40, 41, 42, 43])
    assert series["DE"].origin.sha256 != series["FR"].origin.sha256
    with pytest.raises(UnknownZoneError, match=r"files = \{ DE = "):
        trace_intensity(files["DE"], **KNOWN).series("DE", START, HOUR, 4)
    with pytest.raises(DataError, match="one of them"):
        trace_intensity(files["DE"], files=files, **KNOWN)
    with pytest.raises(DataError, match="one of them"):
        trace_intensity(**KNOWN)


def test_a_file_of_another_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds DE, not FR"):
        trace_intensity(files={"FR": write(tmp_path / "t.csv", plain())}, **KNOWN)


def test_which_of_several_columns_is_asked_for(tmp_path: Path) -> None:
    text = "timestamp,direct,lifecycle\n" + "".join(
        f"{s},{300 + k},{350 + k}\n" for k, s in enumerate(STAMPS)
    )
    files = {"DE": write(tmp_path / "t.csv", text)}
    with pytest.raises(DataError, match='value_column = "direct"'):
        trace_intensity(files=files, **KNOWN)
    source = trace_intensity(files=files, value_column="lifecycle", signal="average", scope="life-cycle")
    np.testing.assert_array_equal(
        source.series("DE", START, HOUR, 4).intensity_g_per_kwh, [350, 351, 352, 353]
    )


# --- units ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "unit", "factor"),
    [("kgCO2_per_kWh", "kg/kWh", 1000.0), ("lb CO2/MWh", "lb/MWh", 0.45359237), ("kg/MWh", None, 1.0)],
)
def test_other_units_are_converted_when_named_and_refused_when_not(
    tmp_path: Path, header: str, unit: str | None, factor: float
) -> None:
    path = write(
        tmp_path / "t.csv",
        f"timestamp,zone,{header}\n" + "".join(f"{s},DE,{0.5 + k}\n" for k, s in enumerate(STAMPS)),
    )
    if unit is not None:
        with pytest.raises(DataError, match=f'value_unit = "{unit}"'):
            read(path, value_column=header)
        with pytest.raises(DataError, match="correct one of them"):
            read(path, value_column=header, value_unit="g/kWh")
    found = trace_intensity(path, value_column=header, value_unit=unit, **KNOWN).series("DE", START, HOUR, 2)
    np.testing.assert_allclose(found.intensity_g_per_kwh, [0.5 * factor, 1.5 * factor])


@pytest.mark.parametrize("header", ["biomass (MW)", "generation", "price EUR/MWh", "load_mwh", "share %"])
def test_a_header_that_names_another_quantity_is_refused(tmp_path: Path, header: str) -> None:
    text = f"timestamp,{header}\n" + "".join(f"{s},{300 + k}\n" for k, s in enumerate(STAMPS))
    source = trace_intensity(write(tmp_path / "t.csv", text), **KNOWN)
    with pytest.raises(DataError, match="is no intensity"):
        source.series(header, START, HOUR, 4)


def test_intensities_that_no_grid_has_are_refused_in_every_source(tmp_path: Path) -> None:
    text = "timestamp,biomass\n" + "".join(f"{s},{22_500 + k}\n" for k, s in enumerate(STAMPS))
    with pytest.raises(DataError, match="no grid is above 2000"):
        read(write(tmp_path / "t.csv", text), "biomass")


def test_values_in_kg_without_a_unit_are_refused_where_no_grid_is_that_low(tmp_path: Path) -> None:
    text = "timestamp,DE\n" + "".join(f"{s},{0.3 + k / 10}\n" for k, s in enumerate(STAMPS))
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(DataError, match='value_unit = "kg/kWh"'):
        read(path, scope="life-cycle")
    np.testing.assert_allclose(read(path, scope="life-cycle", value_unit="kg/kWh"), [300, 400, 500, 600])
    # Direct emissions of a hydropower zone may be that low: a note, not a refusal.
    series = trace_intensity(path, **KNOWN).series("DE", START, HOUR, 4)
    assert any('value_unit = "kg/kWh"' in note for note in series.origin.notes)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("trace", {"path": "t.csv", "interval_s": "x"}, "interval_s is 'x'; allowed is float | None"),
        ("trace", {"path": "t.csv", "fill": 3}, "fill is 3; allowed is str | None"),
        ("trace", {"path": "t.csv", "timezone": 3}, "timezone is 3"),
        ("trace", {"path": "t.csv", "separator": 3}, "separator is 3"),
        ("trace", {"path": "t.csv", "longest_flat_h": "x"}, "longest_flat_h is 'x'"),
        ("constant", {"intensity_g_per_kwh": "x"}, "intensity_g_per_kwh is 'x'"),
        ("profiles", {"folder": 3}, "folder is 3"),
    ],
)
def test_an_option_of_the_wrong_type_is_named(name: str, options: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        intensity_source(name, **options)


# --- harvest -------------------------------------------------------------------------------------------------


def test_a_solar_trace_in_seconds_is_anchored(tmp_path: Path) -> None:
    text = "time,Berlin,Rome\n" + "".join(f"{300 * k},{k / 100},{k / 50}\n" for k in range(24))
    path = write(tmp_path / "solar.csv", text)
    with pytest.raises(DataError, match="time_start"):
        HarvestTrace(path, "Berlin", "Berlin", peak_w=10.0)
    for region in ("Berlin", "roof"):
        source = HarvestTrace(path, "Berlin", region, peak_w=10.0, time_start="2023-03-01T00:00:00Z")
        power = source.series(START, HOUR, 2, seed=0).power_w
        np.testing.assert_allclose(
            power, [10 * np.mean(np.arange(12)) / 100, 10 * np.mean(np.arange(12, 24)) / 100]
        )


def test_a_harvest_s_option_of_the_wrong_type_is_named() -> None:
    with pytest.raises(DataError, match="power_w is 'x'"):
        harvest_source("constant", power_w="x")


def test_a_harvest_trace_without_column_or_region_says_what_its_file_has(tmp_path: Path) -> None:
    rows = "".join(f"{stamp},{area},0.25,0.5\n" for area in ("AZPS", "PJM") for stamp in STAMPS)
    path = write(tmp_path / "sun.csv", f"timestamp,region,solar_pu,wind_pu\n{rows}")
    with pytest.raises(DataError, match=r"column is not given; it has timestamp, region, solar_pu, wind_pu"):
        HarvestTrace(path, peak_w=10.0)
    with pytest.raises(DataError, match=r"no column 'sun_pu'; it has timestamp, .*column = "):
        HarvestTrace(path, "sun_pu", "PJM", peak_w=10.0)
    with pytest.raises(DataError, match=r"column 'region' has AZPS, PJM: choose one, region = "):
        HarvestTrace(path, "solar_pu", peak_w=10.0)
    with pytest.raises(DataError, match="'trace' needs path, got peak_w"):
        harvest_source("trace", peak_w=10.0)
    power = HarvestTrace(path, "solar_pu", "PJM", peak_w=10.0).series(START, HOUR, 4, seed=0).power_w
    np.testing.assert_allclose(power, 2.5)
    alone = write(tmp_path / "roof.csv", "timestamp,pu\n" + "".join(f"{stamp},0.5\n" for stamp in STAMPS))
    np.testing.assert_allclose(HarvestTrace(alone, "pu", peak_w=10.0).series(START, HOUR, 4, 0).power_w, 5.0)


def test_options_of_text_files_and_of_marked_files_are_refused_where_they_do_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"timestamp": pd.to_datetime(STAMPS), "zone": "DE", "gCO2e_per_kWh": VALUES}).to_parquet(
        path
    )
    read(path)
    for option in ({"separator": ";"}, {"encoding": "cp1252"}):
        with pytest.raises(DataError, match="no effect on Parquet"):
            read(path, **option)
    with pytest.raises(DataError, match="no column says which values are estimates"):
        trace_intensity(path, allow_estimated=False, **KNOWN)
