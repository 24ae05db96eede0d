"""A ledger as Parquet tables: slots, lines, batch flows, energy flows, nodes, decisions, serving, requests.

Only what is durable in the ledger is used, so that an unfinished run exports as far as it came and the same
ledger gives the same tables. pandas is imported here and nowhere else in the coordinator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carbon_data.types import require_utc
from coordinator.ledger.store import format_of, read_entries
from coordinator.tables.columns import FleetTables, Parts, Values
from coordinator.tables.decisions import decision_rows
from coordinator.tables.flows import batch_rows, energy_rows
from coordinator.tables.lines import line_rows
from coordinator.tables.nodes import node_rows
from coordinator.tables.recorded import RecordedRun
from coordinator.tables.requests import request_rows
from coordinator.tables.schema import (
    CLOCKED,
    GAUGED,
    HANDED,
    HARVESTED,
    LIVE,
    SLEEP,
    SLEPT_BY_MODEL,
    SPOKEN,
    SWITCHED,
    TABLES,
    TIMED,
    TURNS,
    TWICE,
    WHERE_THERE_ARE_ROWS,
    Kind,
)
from coordinator.tables.serving import serving_rows
from coordinator.tables.slots import slot_rows

ROWS = 100_000
"""Rows of a virtual fleet's table in memory at a time, besides those of a slot."""
STORED_AS = {
    Kind.COUNT: "Int64",
    Kind.REAL: "Float64",
    Kind.FLAG_OR_NULL: "boolean",
    Kind.NAME_OR_NULL: "string",
}
"""Types that have nulls, for columns that may have gaps, so that a gap is never a NaN or a zero."""


def export_tables(
    ledger_path: Path, folder: Path, *, start: datetime, trace_step_s: float
) -> dict[str, Path]:
    """Write ``slots, lines, batch_flows, energy_flows, nodes, decisions, serving`` as Parquet into ``folder``, and
    ``requests`` where a language model was served.

    ``start``: time of the traces in slot 0 (aware); ``trace_step_s``: how far they advance per slot, in
    seconds. Returns the path of each table. A slot's row without a reading has nulls, never zeros. Raises
    LedgerError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.parquet" for name in TABLES if name not in WHERE_THERE_ARE_ROWS}
    if format_of(ledger_path).has_columns:
        parts = FleetTables(require_utc(start), trace_step_s).parts(read_entries(ledger_path))
        _write_in_parts(parts, paths)
        return paths
    for name, table in ledger_tables(ledger_path, start=start, trace_step_s=trace_step_s).items():
        paths[name] = folder / f"{name}.parquet"
        table.to_parquet(paths[name], index=False)
    return paths


def _write_in_parts(parts: Iterable[Parts], paths: Mapping[str, Path]) -> None:
    """Append every part to its table, about ROWS rows at a time."""
    waiting: dict[str, list[Values]] = {name: [] for name in paths}
    rows = dict.fromkeys(paths, 0)
    with ExitStack() as stack:
        writers: dict[str, pq.ParquetWriter] = {}

        def write(name: str) -> None:
            table = pa.Table.from_pandas(_typed(name, _frame(name, waiting[name])), preserve_index=False)
            waiting[name], rows[name] = [], 0
            if name not in writers:
                writers[name] = stack.enter_context(pq.ParquetWriter(paths[name].absolute(), table.schema))
            writers[name].write_table(table.cast(writers[name].schema))

        for part in parts:
            for name, values in part.items():
                if size := len(next(iter(values.values()))):
                    waiting[name].append(values)
                    rows[name] += size
                if rows[name] >= ROWS:
                    write(name)
        for name in paths:
            if waiting[name] or name not in writers:
                write(name)


def _frame(name: str, parts: Sequence[Values]) -> pd.DataFrame:
    """Parts of a table under one another; empty where there are none."""
    columns = list(TABLES[name].names)
    if not parts:
        return pd.DataFrame(columns=columns)
    joined: dict[str, Any] = {}
    for column, first in parts[0].items():
        pieces = [part[column] for part in parts]
        lists = isinstance(first, list)
        joined[column] = [value for piece in pieces for value in piece] if lists else np.concatenate(pieces)
    return pd.DataFrame(joined, columns=columns)


def ledger_tables(ledger_path: Path, *, start: datetime, trace_step_s: float) -> dict[str, pd.DataFrame]:
    """The tables by name, without writing them."""
    run = RecordedRun(read_entries(ledger_path))
    start = require_utc(start)
    times = {slot: start + timedelta(seconds=slot * trace_step_s) for slot in run.decisions}
    rows = {
        "slots": slot_rows(run, times),
        "lines": line_rows(run),
        "batch_flows": batch_rows(run),
        "energy_flows": energy_rows(run),
        "nodes": node_rows(run),
        "decisions": decision_rows(run),
        "serving": serving_rows(run),
        "requests": request_rows(run),
    }
    frames = {
        name: _typed(name, pd.DataFrame(list(rows[name]), columns=list(schema.names)))
        for name, schema in TABLES.items()
    }
    return {name: table for name, table in frames.items() if len(table) or name not in WHERE_THERE_ARE_ROWS}


def _typed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A table with the types of its columns, without those on sleep where all nodes sleep by the model (schema.SLEEP),
    or no board was switched (schema.SWITCHED), those on time on the virtual clock (schema.TIMED), and those on live
    intensity where none was live (schema.LIVE)."""
    left_out = []
    if SLEEP in frame and (frame[SLEEP].isna() | frame[SLEEP].eq(SLEPT_BY_MODEL)).all():
        left_out.append(SLEEP)
    for group in (SWITCHED, TIMED, HARVESTED, GAUGED, LIVE, SPOKEN, HANDED, TURNS, TWICE, CLOCKED):
        columns = [name for name in group if name in frame]
        if all(frame[name].isna().all() for name in columns):
            left_out += columns
    kept = frame.drop(columns=left_out)
    types = {
        column.name: STORED_AS[column.kind] for column in TABLES[name].columns if column.kind in STORED_AS
    }
    return kept.astype({name: kind for name, kind in types.items() if name in kept})
