"""Reader of tables: CSV in several dialects, or Parquet, as a DataFrame whose CSV cells are still text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.sources.traces import trace_intensity
from carbon_data.types import DataError, MissingDataError
from tests.carbon_data.sources.table_files import plain, read_table, write_table

HOUR = timedelta(hours=1)
MARCH = datetime(2023, 3, 1, tzinfo=UTC)
KNOWN = {"signal": "average", "scope": "direct"}
VALUES = [210.5, 230.25, 190.75, 310.0]
STAMPS = [f"2023-03-01T{hour:02d}:00:00Z" for hour in range(4)]
HEADER = "timestamp,zone,gCO2e_per_kWh"


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
    np.testing.assert_array_equal(read_table(write_table(tmp_path / "t.csv", text, encoding)), VALUES)


def test_notes_state_what_was_detected(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", plain().replace(",", ";").replace(".", ","), "utf-8-sig")
    notes = " ".join(trace_intensity(path, **KNOWN).series("DE", MARCH, HOUR, 4).origin.notes)
    assert "';'" in notes
    assert "utf-8-sig" in notes


def test_an_old_windows_encoding_is_named_and_then_read(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", "# Köln\n" + plain(), "cp1252")
    with pytest.raises(DataError, match='encoding = "cp1252"'):
        read_table(path)
    np.testing.assert_array_equal(read_table(path, encoding="cp1252"), VALUES)
    with pytest.raises(DataError, match="encoding 'klingon' is not known"):
        read_table(path, encoding="klingon")


def test_a_comma_that_may_be_either_is_asked_for(tmp_path: Path) -> None:
    text = "timestamp;zone;gCO2e_per_kWh\n" + "\n".join(f"{stamp};DE;1,125" for stamp in STAMPS) + "\n"
    path = write_table(tmp_path / "t.csv", text)
    with pytest.raises(DataError, match=r'decimal = "\." or decimal = ","'):
        read_table(path)
    np.testing.assert_array_equal(read_table(path, decimal=","), [1.125] * 4)
    np.testing.assert_array_equal(read_table(path, decimal="."), [1125.0] * 4)


def test_a_separator_that_is_not_found_is_named(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv", plain().replace(",", "~"))
    with pytest.raises(DataError, match="separator"):
        read_table(path)
    np.testing.assert_array_equal(read_table(path, separator="~"), VALUES)


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "n/a", "null", "-"])
def test_a_cell_without_a_value_is_a_gap_not_a_zero(tmp_path: Path, cell: str) -> None:
    path = write_table(tmp_path / "t.csv", plain().replace("190.75", cell))
    with pytest.raises(MissingDataError, match="no value from 2023-03-01T02:00"):
        read_table(path)


def test_na_is_a_zone(tmp_path: Path) -> None:
    text = plain() + "\n".join(f"{stamp},NA,{50 + k}" for k, stamp in enumerate(STAMPS)) + "\n"
    path = write_table(tmp_path / "t.csv", text)
    np.testing.assert_array_equal(read_table(path, "NA"), [50, 51, 52, 53])
    np.testing.assert_array_equal(read_table(path, "DE"), VALUES)


def test_which_of_several_columns_is_asked_for(tmp_path: Path) -> None:
    text = "timestamp,direct,lifecycle\n" + "".join(
        f"{s},{300 + k},{350 + k}\n" for k, s in enumerate(STAMPS)
    )
    files = {"DE": write_table(tmp_path / "t.csv", text)}
    with pytest.raises(DataError, match='value_column = "direct"'):
        trace_intensity(files=files, **KNOWN)
    source = trace_intensity(files=files, value_column="lifecycle", signal="average", scope="life-cycle")
    np.testing.assert_array_equal(
        source.series("DE", MARCH, HOUR, 4).intensity_g_per_kwh, [350, 351, 352, 353]
    )


def test_options_of_text_files_and_of_marked_files_are_refused_where_they_do_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"timestamp": pd.to_datetime(STAMPS), "zone": "DE", "gCO2e_per_kWh": VALUES}).to_parquet(
        path
    )
    read_table(path)
    for option in ({"separator": ";"}, {"encoding": "cp1252"}):
        with pytest.raises(DataError, match="no effect on Parquet"):
            read_table(path, **option)
    with pytest.raises(DataError, match="no column says which values are estimates"):
        trace_intensity(path, allow_estimated=False, **KNOWN)
