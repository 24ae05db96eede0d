"""Every table is written as the schema says, from a run with everything in it and from one with nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.policies.registry import make_policy
from coordinator.tables.export import STORED_AS, export_tables
from coordinator.tables.schema import (
    CLOCKED,
    GAUGED,
    HANDED,
    HARVESTED,
    LIVE,
    SLEEP,
    SPOKEN,
    SWITCHED,
    TABLES,
    TIMED,
    WHERE_THERE_ARE_ROWS,
    Kind,
)

START = datetime(2024, 6, 1, tzinfo=UTC)
NEVER_NULL = (Kind.INDEX, Kind.WHOLE, Kind.FLAG, Kind.TEXT, Kind.TIME, Kind.COUNTS)


@pytest.mark.parametrize("slots", [0, 2])
def test_tables_are_written_as_the_schema_says(tmp_path: Path, kit: Any, slots: int) -> None:
    bench = kit.Bench(kit.make_config(tmp_path / "run", nodes=3), make_policy("deta"))
    bench.join()
    for slot in range(slots):
        bench.run_slot(slot)
    bench.close()
    paths = export_tables(bench.config.ledger_path, tmp_path, start=START, trace_step_s=3600.0)
    assert list(paths) == [name for name in TABLES if name not in WHERE_THERE_ARE_ROWS]
    for name, path in paths.items():
        frame, schema = pd.read_parquet(path), TABLES[name]
        # All sleep by the model, on the virtual clock, no harvest is measured, no intensity live: see test_tables.py.
        of_slots = (*CLOCKED, *SWITCHED, *TIMED, *HARVESTED, *GAUGED, *LIVE)
        left_out = {
            "nodes": (SLEEP, *GAUGED),
            "slots": of_slots,
            "decisions": (*TIMED, *HANDED),
            "serving": SPOKEN,
        }.get(name, ())
        assert tuple(frame.columns) == tuple(column for column in schema.names if column not in left_out)
        for column in schema.columns:
            if column.name in left_out:
                continue
            if column.kind in STORED_AS:
                assert str(frame[column.name].dtype) == STORED_AS[column.kind], (name, column)
            if column.kind in NEVER_NULL:
                assert frame[column.name].notna().all(), (name, column)


def test_no_table_names_a_column_twice() -> None:
    for name, schema in TABLES.items():
        assert len(set(schema.names)) == len(schema.names), name
        assert schema.needed
