"""Trace files: read as they are, refused where they are broken, repaired only when told to and never in
silence.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.sources.conformance import intensity_violations
from carbon_data.sources.traces import eia_production_2022, em_lca_2022, trace_intensity
from carbon_data.types import DataError, MissingDataError, Scope, UnknownZoneError
from tests.carbon_data.sources.table_files import plain, read_table, write_table
from tests.carbon_data.sources.trace_files import frame, present, write

HOUR = timedelta(hours=1)
START = datetime(2023, 3, 1, tzinfo=UTC)
KNOWN = {"signal": "average", "scope": "direct"}
SUMMER = datetime(2022, 6, 21, tzinfo=UTC)
MARCH = datetime(2023, 3, 1, tzinfo=UTC)
VALUES = [210.5, 230.25, 190.75, 310.0]
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]
HEADER = "timestamp,zone,gCO2e_per_kWh"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
@pytest.mark.parametrize("layout", ["long", "wide"])
def test_every_format_and_layout_gives_the_same_series(tmp_path: Path, name: str, layout: str) -> None:
    table = frame()
    if layout == "wide":
        table = table.pivot(index="timestamp", columns="zone", values="gCO2e_per_kWh").reset_index()
    source = trace_intensity(write(tmp_path / name, table), **KNOWN)
    assert source.zones() == ["A-1", "B-2"]
    assert intensity_violations(source, START + 5 * HOUR, "B-2") == []
    np.testing.assert_allclose(
        source.series("B-2", START + 5 * HOUR, HOUR, 3).intensity_g_per_kwh, [505, 506, 507]
    )
    assert source.period("A-1") == (START, START + 96 * HOUR)


def test_offsets_and_order_of_rows_do_not_matter(tmp_path: Path) -> None:
    table = frame().sample(frac=1.0, random_state=1)
    table["timestamp"] = table["timestamp"].dt.tz_convert("Asia/Kolkata")
    source = trace_intensity(write(tmp_path / "t.csv", table), **KNOWN)
    np.testing.assert_allclose(source.series("A-1", START, HOUR, 2).intensity_g_per_kwh, [100, 101])


def test_a_gap_is_named_and_never_filled_in_silence(tmp_path: Path) -> None:
    table = frame()
    table.loc[
        (table.zone == "A-1") & table.timestamp.isin([START + 10 * HOUR, START + 11 * HOUR]), "gCO2e_per_kWh"
    ] = np.nan
    path = write(tmp_path / "t.csv", table)
    with pytest.raises(MissingDataError, match=r"A-1.*2023-03-01T10:00:00\+00:00 for 2:00:00"):
        trace_intensity(path, **KNOWN).series("A-1", START, HOUR, 24)
    # Away from the gap, and in the other zone, nothing is wrong.
    trace_intensity(path, **KNOWN).series("A-1", START + 12 * HOUR, HOUR, 24)
    trace_intensity(path, **KNOWN).series("B-2", START, HOUR, 24)
    with pytest.raises(MissingDataError, match="longer than the 1:00:00"):
        trace_intensity(path, fill="interpolate:1h", **KNOWN).series("A-1", START, HOUR, 24)
    filled = trace_intensity(path, fill="interpolate:3h", **KNOWN).series("A-1", START, HOUR, 24)
    np.testing.assert_allclose(filled.intensity_g_per_kwh, 100.0 + np.arange(24))
    (note,) = filled.origin.notes
    assert "interpolated between 109 and 112" in note


def test_rows_that_are_not_there_are_a_gap_too(tmp_path: Path) -> None:
    table = frame().drop(index=[20, 21])
    with pytest.raises(MissingDataError, match="20:00:00"):
        trace_intensity(write(tmp_path / "t.csv", table), **KNOWN).series("A-1", START, HOUR, 24)


def test_a_gap_at_the_edge_cannot_be_interpolated(tmp_path: Path) -> None:
    table = frame()
    table.loc[table.timestamp == START, "gCO2e_per_kWh"] = np.nan
    source = trace_intensity(write(tmp_path / "t.csv", table), fill="interpolate:3h", **KNOWN)
    with pytest.raises(MissingDataError, match="edge"):
        source.series("A-1", START, HOUR, 5)


def test_outside_the_period_is_missing_not_extrapolated(tmp_path: Path) -> None:
    source = trace_intensity(write(tmp_path / "t.csv", frame()), **KNOWN)
    for start in (START - HOUR, START + 95 * HOUR, START + timedelta(days=365)):
        with pytest.raises(MissingDataError, match=r"A-1.*the trace has 2023-03-01"):
            source.series("A-1", start, HOUR, 2)


def test_a_stamp_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    table = frame()
    table = pd.concat([table, table.iloc[[7]]])
    with pytest.raises(MissingDataError, match=r"A-1: 2023-03-01T07:00:00\+00:00 occurs twice"):
        trace_intensity(write(tmp_path / "t.csv", table), **KNOWN).series("A-1", START, HOUR, 2)


def test_a_stamp_off_the_grid_is_refused(tmp_path: Path) -> None:
    table = frame()
    table.loc[7, "timestamp"] += timedelta(minutes=17)
    with pytest.raises(MissingDataError, match=r"07:17:00.*off the grid"):
        trace_intensity(write(tmp_path / "t.csv", table), **KNOWN).series("A-1", START, HOUR, 2)


def test_a_stale_stretch_is_refused_unless_believed(tmp_path: Path) -> None:
    table = frame()
    table.loc[(table.zone == "A-1") & (table.timestamp >= START + 40 * HOUR), "gCO2e_per_kWh"] = 321.0
    path = write(tmp_path / "t.csv", table)
    with pytest.raises(MissingDataError, match=r"321 repeats for 2 days.*2023-03-02T16:00:00"):
        trace_intensity(path, **KNOWN).series("A-1", START, HOUR, 90)
    believed = trace_intensity(path, longest_flat_h=None, **KNOWN).series("A-1", START, HOUR, 90)
    assert any("321 throughout" in note for note in believed.origin.notes)


@pytest.mark.parametrize("bad", ["-5", "inf", "many"])
def test_values_that_are_no_intensity_are_refused(tmp_path: Path, bad: str) -> None:
    table = frame()
    table["gCO2e_per_kWh"] = table["gCO2e_per_kWh"].astype(object)
    table.loc[3, "gCO2e_per_kWh"] = bad
    with pytest.raises(DataError, match="A-1"):
        trace_intensity(write(tmp_path / "t.csv", table), **KNOWN).series("A-1", START, HOUR, 24)


def test_naive_stamps_missing_columns_and_unreadable_files_are_refused(tmp_path: Path) -> None:
    naive = frame()
    naive["timestamp"] = naive["timestamp"].dt.tz_localize(None)
    with pytest.raises(DataError, match="no time zone"):
        trace_intensity(write(tmp_path / "n.csv", naive), **KNOWN)
    with pytest.raises(DataError, match="name it: value_column"):
        trace_intensity(write(tmp_path / "c.csv", frame().rename(columns={"gCO2e_per_kWh": "ci"})), **KNOWN)
    with pytest.raises(DataError, match="no column"):
        trace_intensity(write(tmp_path / "z.csv", frame().drop(columns="timestamp")), **KNOWN)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="cannot be read"):
        trace_intensity(tmp_path / "broken.parquet", **KNOWN)
    with pytest.raises(DataError, match=r"there is no file .*absent"):
        trace_intensity(tmp_path / "absent.csv", **KNOWN)
    with pytest.raises(UnknownZoneError, match="did you mean A-1"):
        trace_intensity(write(tmp_path / "t.csv", frame()), **KNOWN).series("A1", START, HOUR, 1)


def test_signal_and_scope_must_be_known_and_may_stand_in_a_sidecar(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", frame())
    with pytest.raises(DataError, match=r"signal of .* is not known"):
        trace_intensity(path)
    with pytest.raises(DataError, match="allowed is direct or life-cycle"):
        trace_intensity(path, signal="average", scope="all")
    path.with_name("t.csv.toml").write_text(
        'source = "our meter"\nlicence = "CC0-1.0"\nsignal = "marginal"\nscope = "direct"\n'
    )
    origin = trace_intensity(path).series("A-1", START, HOUR, 2).origin
    assert (origin.source, origin.licence, origin.signal) == ("our meter", "CC0-1.0", "marginal")
    assert origin.sha256 is not None


@pytest.mark.parametrize("fill", ["zero", "interpolate", "interpolate:-1h", "interpolate:3d"])
def test_only_the_documented_repair_is_known(tmp_path: Path, fill: str) -> None:
    with pytest.raises(DataError, match="interpolate:3h"):
        trace_intensity(write(tmp_path / "t.csv", frame()), fill=fill, **KNOWN)


@pytest.mark.skipif(not present["em-lca-2022"], reason="the file is not in the data folder")
def test_electricity_maps_file() -> None:
    source = em_lca_2022()
    assert len(source.zones()) == 123
    assert intensity_violations(source, SUMMER, "DE") == []
    series = source.series("US-NW-SCL", SUMMER, HOUR, 48)
    assert set(series.intensity_g_per_kwh) == {24.0}
    assert any("24 throughout" in note for note in series.origin.notes)


@pytest.mark.skipif(not present["eia-production-2022"], reason="the file is not in the data folder")
def test_eia_file() -> None:
    source = eia_production_2022()
    assert intensity_violations(source, SUMMER, "CISO") == []
    with pytest.raises(MissingDataError, match=r"PJM: no value from 2022-03-13T07:00:00"):
        source.series("PJM", datetime(2022, 3, 13, tzinfo=UTC), HOUR, 24)
    assert source.series("PJM", SUMMER, HOUR, 1).origin.scope is Scope.LIFE_CYCLE


# --- one file per zone ---------------------------------------------------------------------------------------


def test_one_file_a_zone(tmp_path: Path) -> None:
    for zone, base in (("DE", 300), ("FR", 40)):
        rows = "".join(f"{stamp},{base + k}\n" for k, stamp in enumerate(STAMPS))
        write_table(tmp_path / f"{zone}.csv", "timestamp,gCO2e_per_kWh\n" + rows)
    files = {zone: tmp_path / f"{zone}.csv" for zone in ("DE", "FR")}
    source = trace_intensity(files=files, **KNOWN)
    assert source.zones() == ["DE", "FR"]
    series = {zone: source.series(zone, MARCH, HOUR, 4) for zone in files}
    np.testing.assert_array_equal(series["DE"].intensity_g_per_kwh, [300, 301, 302, 303])
    np.testing.assert_array_equal(series["FR"].intensity_g_per_kwh, [40, 41, 42, 43])
    assert series["DE"].origin.sha256 != series["FR"].origin.sha256
    with pytest.raises(UnknownZoneError, match=r"files = \{ DE = "):
        trace_intensity(files["DE"], **KNOWN).series("DE", MARCH, HOUR, 4)
    with pytest.raises(DataError, match="one of them"):
        trace_intensity(files["DE"], files=files, **KNOWN)
    with pytest.raises(DataError, match="one of them"):
        trace_intensity(**KNOWN)


def test_a_file_of_another_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds DE, not FR"):
        trace_intensity(files={"FR": write_table(tmp_path / "t.csv", plain())}, **KNOWN)


# --- units ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "unit", "factor"),
    [("kgCO2_per_kWh", "kg/kWh", 1000.0), ("lb CO2/MWh", "lb/MWh", 0.45359237), ("kg/MWh", None, 1.0)],
)
def test_other_units_are_converted_when_named_and_refused_when_not(
    tmp_path: Path, header: str, unit: str | None, factor: float
) -> None:
    path = write_table(
        tmp_path / "t.csv",
        f"timestamp,zone,{header}\n" + "".join(f"{s},DE,{0.5 + k}\n" for k, s in enumerate(STAMPS)),
    )
    if unit is not None:
        with pytest.raises(DataError, match=f'value_unit = "{unit}"'):
            read_table(path, value_column=header)
        with pytest.raises(DataError, match="correct one of them"):
            read_table(path, value_column=header, value_unit="g/kWh")
    found = trace_intensity(path, value_column=header, value_unit=unit, **KNOWN).series("DE", MARCH, HOUR, 2)
    np.testing.assert_allclose(found.intensity_g_per_kwh, [0.5 * factor, 1.5 * factor])


@pytest.mark.parametrize("header", ["biomass (MW)", "generation", "price EUR/MWh", "load_mwh", "share %"])
def test_a_header_that_names_another_quantity_is_refused(tmp_path: Path, header: str) -> None:
    text = f"timestamp,{header}\n" + "".join(f"{s},{300 + k}\n" for k, s in enumerate(STAMPS))
    source = trace_intensity(write_table(tmp_path / "t.csv", text), **KNOWN)
    with pytest.raises(DataError, match="is no intensity"):
        source.series(header, MARCH, HOUR, 4)


def test_intensities_that_no_grid_has_are_refused_in_every_source(tmp_path: Path) -> None:
    text = "timestamp,biomass\n" + "".join(f"{s},{22_500 + k}\n" for k, s in enumerate(STAMPS))
    with pytest.raises(DataError, match="no grid is above 2000"):
        read_table(write_table(tmp_path / "t.csv", text), "biomass")


def test_values_in_kg_without_a_unit_are_refused_where_no_grid_is_that_low(tmp_path: Path) -> None:
    text = "timestamp,DE\n" + "".join(f"{s},{0.3 + k / 10}\n" for k, s in enumerate(STAMPS))
    path = write_table(tmp_path / "t.csv", text)
    with pytest.raises(DataError, match='value_unit = "kg/kWh"'):
        read_table(path, scope="life-cycle")
    np.testing.assert_allclose(
        read_table(path, scope="life-cycle", value_unit="kg/kWh"), [300, 400, 500, 600]
    )
    # Direct emissions of a hydropower zone may be that low: a note, not a refusal.
    series = trace_intensity(path, **KNOWN).series("DE", MARCH, HOUR, 4)
    assert any('value_unit = "kg/kWh"' in note for note in series.origin.notes)
