"""Columns of a download of the Electricity Maps data portal (CSV, one zone or several a file).

The headers of 2022 to 2025 differ in capitals and in how they name life-cycle values (``LCA``, ``Life cycle``);
time stamps are UTC, as the header says, and carry no zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.table import Table
from carbon_data.types import DataError, Scope

FORMAT = "electricity-maps"
SOURCE = "Electricity Maps data portal, flow-traced carbon intensity"
LICENCE = "ODbL-1.0"
TEST_MODE = "sandbox"
"""Part of the estimation method of values that the service invents for test tokens."""
_VALUE = {
    Scope.DIRECT: re.compile(r"carbon intensity.*\(direct\)", re.IGNORECASE),
    Scope.LIFE_CYCLE: re.compile(r"carbon intensity.*\((?:lca|life[ -]?cycle)\)", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of the export."""

    time: str
    zone: str
    value: str
    estimated: str | None
    method: str | None


def looks_like_one(table: Table) -> bool:
    """Whether the header is that of a portal download."""
    return table.named("Datetime (UTC)") is not None and table.named("Zone id") is not None


def columns_of(table: Table, scope: Scope) -> Columns:
    """Columns of the export with values of ``scope``. Raises DataError for a file of another form."""
    time, zone = table.named("Datetime (UTC)"), table.named("Zone id")
    value = next((name for name in table.columns if _VALUE[scope].search(name)), None)
    if time is None or zone is None or value is None:
        raise DataError(
            f"{table.path} is not a portal download with {scope} values; it has {', '.join(table.columns)}. Leave "
            "format out and name time_column, zone_column and value_column"
        )
    estimated = table.named("Data estimated")
    return Columns(time, zone, value, estimated, table.named("Data estimation method"))


def estimated_rows(table: Table, columns: Columns) -> NDArray[np.bool_]:
    """(K,) rows that the service calls estimates. Raises DataError for values of its test mode."""
    refuse_test_mode(table, columns.method)
    if columns.estimated is None:
        return np.zeros(len(table.frame), dtype=bool)
    return flagged(table, columns.estimated)


def flagged(table: Table, column: str) -> NDArray[np.bool_]:
    """(K,) rows whose cell in ``column`` means true."""
    text = table.frame[column].astype("string").fillna("").str.strip().str.casefold()
    return text.isin(["true", "1", "yes"]).to_numpy(dtype=bool)


def refuse_test_mode(table: Table, method_column: str | None) -> None:
    """Raise DataError where an estimation method says that the value was invented for a test token."""
    if method_column is None:
        return
    methods = table.frame[method_column].astype("string").fillna("")
    made_up = methods.str.contains(TEST_MODE, case=False, regex=False).to_numpy(dtype=bool)
    if made_up.any():
        row = int(np.argmax(made_up))
        raise DataError(
            f"{table.path}: row {row} is a value of the service's test mode ({methods.iloc[row]}), invented for test "
            "tokens; download the file with a token that has access to the zone"
        )
