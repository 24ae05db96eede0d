"""A ledger as Parquet tables: slots, lines, batch flows, energy flows, nodes, decisions, serving.

Only what is durable in the ledger is used, so that an unfinished run exports as far as it came and the same
ledger gives the same tables. pandas is imported here and nowhere else in the coordinator.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from carbon_data.types import require_utc
from coordinator.ledger.store import read_entries
from coordinator.tables.decisions import decision_rows
from coordinator.tables.flows import batch_rows, energy_rows
from coordinator.tables.lines import line_rows
from coordinator.tables.nodes import node_rows
from coordinator.tables.recorded import RecordedRun
from coordinator.tables.schema import TABLES, Kind
from coordinator.tables.serving import serving_rows
from coordinator.tables.slots import slot_rows

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
    """Write ``slots, lines, batch_flows, energy_flows, nodes, decisions, serving`` as Parquet into ``folder``.

    ``start``: time of the traces in slot 0 (aware); ``trace_step_s``: how far they advance per slot, in
    seconds. Returns the path of each table. A slot's row without a reading has nulls, never zeros. Raises
    LedgerError.
    """
    tables = ledger_tables(ledger_path, start=start, trace_step_s=trace_step_s)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, table in tables.items():
        paths[name] = folder / f"{name}.parquet"
        table.to_parquet(paths[name], index=False)
    return paths


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
    }
    tables = {}
    for name, schema in TABLES.items():
        frame = pd.DataFrame(list(rows[name]), columns=list(schema.names))
        kinds = {c.name: STORED_AS[c.kind] for c in schema.columns if c.kind in STORED_AS}
        tables[name] = frame.astype(kinds)
    return tables
