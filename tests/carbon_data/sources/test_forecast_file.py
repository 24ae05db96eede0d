"""Issued forecasts of a file: no interpolation, notes on missing values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbon_data.files.datasets import DatasetState, dataset, status_of
from carbon_data.sources.forecast_file import ForecastFile, sundial_2022
from carbon_data.sources.traces import trace_intensity
from carbon_data.types import DataError, Scope, Signal, UnknownZoneError

HOUR = timedelta(hours=1)
START = datetime(2022, 3, 1, tzinfo=UTC)
HEADER = "zone,issued,lead_h,value"


def written(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "issued.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def issue(values: str, issued: str = "2022-03-01T00:00Z", zone: str = "DE", first: int = 0) -> list[str]:
    return [f"{zone},{issued},{first + k},{value}" for k, value in enumerate(values.split())]


def read(folder: Path, *rows: str, **options: object) -> ForecastFile:
    return ForecastFile(written(folder, *rows), **({"scope": "direct"} | options))  # type: ignore[arg-type]


def test_issues_are_sorted_by_time_for_any_order_of_rows(tmp_path: Path) -> None:
    rows = [*issue("10 11 12"), *issue("20 21", "2022-03-01T06:00+01:00"), *issue("7", zone="FR")]
    file = read(tmp_path, *reversed(rows))
    old, new = file.issues("DE")
    assert file.zones() == ["DE", "FR"]
    assert (old.issued, new.issued) == (START, START + 5 * HOUR)
    assert old.values.tolist() == [10, 11, 12]
    assert (old.first, old.end) == (START, START + 3 * HOUR)
    assert new.values.tolist() == [20, 21]
    assert file.notes("DE") == ()
    assert (file.origin.scope, file.origin.signal) == (Scope.DIRECT, Signal.AVERAGE)


def test_absent_values_end_an_issue_and_are_told(tmp_path: Path) -> None:
    """Values after a gap are not joined to those before it."""
    file = read(
        tmp_path,
        *issue("1 2  4", "2022-03-01T00:00Z"),
        *issue("5 , 7".replace(" , ", " nan "), "2022-03-02T00:00Z"),
        *issue("nan nan", "2022-03-03T00:00Z"),
    )
    assert [one.values.tolist() for one in file.issues("DE")] == [[1, 2, 4], [5]]
    assert file.notes("DE") == (
        "zone DE: 1 issues end before their last lead",
        "zone DE: 1 issues hold no value and count as not issued",
    )


def test_means_over_slots_of_another_length(tmp_path: Path) -> None:
    """By hand: leads of an hour over 10, 20, 40; only intervals that are covered to their end."""
    one = read(tmp_path, *issue("10 20 40")).issues("DE")[0]
    assert one.means(START, HOUR, 9).tolist() == [10, 20, 40]
    assert one.means(START, 2 * HOUR, 9).tolist() == [15]
    assert one.means(START + HOUR / 2, HOUR, 2).tolist() == [15, 30]
    assert one.means(START, HOUR / 2, 3).tolist() == [10, 10, 20]
    assert one.means(START - HOUR, HOUR, 2).size == 0
    assert one.means(START + 3 * HOUR, HOUR, 2).size == 0


def test_leads_may_begin_later_and_have_another_unit(tmp_path: Path) -> None:
    one = read(tmp_path, *issue("10 20", first=2), lead_unit_s=900.0).issues("DE")[0]
    assert (one.first, one.step, one.end) == (START + HOUR / 2, HOUR / 4, START + HOUR)


def test_columns_of_any_name(tmp_path: Path) -> None:
    path = written(tmp_path, "2022-03-01T00:00Z,DE,0,5", header="made,area,k,g")
    file = ForecastFile(
        path, zone_column="area", issued_column="made", lead_column="k", value_column="g", scope="life-cycle"
    )
    assert file.issues("DE")[0].values.tolist() == [5]
    with pytest.raises(
        DataError, match=r"no column 'value' .*; it has made, area, k, g: name it: value_column"
    ):
        ForecastFile(path, scope="direct")


def test_units_and_dialects(tmp_path: Path) -> None:
    path = tmp_path / "issued.csv"
    path.write_text("zone;issued;lead;kg_per_kwh\nNA;2022-03-01 00:00;0;0,1255\n", encoding="utf-16")
    options = {"scope": "direct", "value_column": "kg_per_kwh", "timezone": "Europe/Berlin"}
    with pytest.raises(DataError, match=r"kg_per_kwh.*value_unit = \"kg/kWh\""):
        ForecastFile(path, **options)
    one = ForecastFile(path, value_unit="kg/kWh", **options).issues("NA")[0]
    assert (one.issued, one.values.tolist()) == (START - HOUR, [125.5])
    with pytest.raises(DataError, match="value_unit is 'g'; allowed are g/kWh"):
        ForecastFile(path, value_unit="g", **options)


def test_the_scope_must_be_known(tmp_path: Path) -> None:
    path = written(tmp_path, *issue("5"))
    with pytest.raises(DataError, match=r"scope of .* is not known; give scope = direct or life-cycle"):
        ForecastFile(path)
    path.with_name("issued.csv.toml").write_text('scope = "life-cycle"\nsource = "us"\nlicence = "CC0"\n')
    origin = ForecastFile(path).origin
    assert (origin.scope, origin.source, origin.licence) == (Scope.LIFE_CYCLE, "us", "CC0")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*issue("5"), *issue("6")], "a lead twice"),
        (["DE,2022-03-01T00:00Z,0,5", "DE,2022-03-01T00:00Z,1,5", "DE,2022-03-01T00:00Z,3,5"], "uneven"),
        (["DE,2022-03-01T00:00Z,0.5,5"], "whole numbers from 0"),
        (["DE,2022-03-01T00:00Z,-1,5"], "whole numbers from 0"),
        (["DE,2022-03-01T00:00Z,0,much"], "not a number"),
        (["DE,2022-03-01T00:00Z,0,-50"], "row 0 expects -50 g/kWh"),
        (["DE,2022-03-01T00:00Z,0,inf"], "row 0 expects inf"),
        (["DE,2022-03-01T00:00,0,5"], "no time zone"),
        ([",2022-03-01T00:00Z,0,5"], "row 0 has no zone"),
        (["DE,2022-03-01T00:00Z,0,"], "no issue holds a value"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, *rows).issues("DE")


def test_an_unknown_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownZoneError, match="DE"):
        read(tmp_path, *issue("5")).issues("DEU")


def test_a_model_may_undershoot_zero_a_little(tmp_path: Path) -> None:
    file = read(tmp_path, *issue("-0.5 3"))
    assert file.issues("DE")[0].values.tolist() == [0, 3]
    assert file.notes("DE") == ("zone DE: 1 values a little below zero taken as zero",)


def test_the_forecasts_of_the_data_folder() -> None:
    if status_of(dataset("sundial-2022")).state is not DatasetState.PRESENT:
        pytest.skip("not in the data folder")
    file = sundial_2022()
    assert len(file.zones()) == 10
    for zone in file.zones():
        issues = file.issues(zone)
        assert all(one.values.size == 96 and one.step == HOUR for one in issues)
        steps = np.diff([one.issued.timestamp() for one in issues]) / 86_400.0
        assert (steps % 1 == 0).all()


def test_hours_that_the_source_estimated_are_told(tmp_path: Path) -> None:
    """The intensities that the forecasts are of carry the flag of their source."""
    path = tmp_path / "truth.csv"
    rows = [f"Z,{(START + k * HOUR).isoformat()},{100 + k},{k in (2, 3)}" for k in range(6)]
    path.write_text("\n".join(["zone,time,g_per_kwh,estimated", *rows]) + "\n")
    options = {"value_column": "g_per_kwh", "signal": "average", "scope": "direct"}
    source = trace_intensity(path, **options)  # type: ignore[arg-type]
    assert source.zones() == ["Z"]
    notes = source.series("Z", START, HOUR, 3).origin.notes
    assert "zone Z: 1 of 3 values are estimates of the source" in notes
    assert source.series("Z", START + 4 * HOUR, HOUR, 2).origin.notes == ()
    with pytest.raises(DataError, match="2 of 6 rows are estimates"):
        trace_intensity(path, allow_estimated=False, **options)  # type: ignore[arg-type]
