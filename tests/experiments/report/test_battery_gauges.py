"""Table of batteries' gauges, from the tables of slots and nodes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from experiments.report import battery_gauges


def study(slots: pd.DataFrame) -> Any:
    nodes = pd.DataFrame(
        {
            "node_id": ["n0", "n1"],
            "battery_capacity_j": [36_000.0, 100.0],
            "battery_drift_j": pd.array([-12.0, None], dtype="Float64"),
        }
    )
    run = SimpleNamespace(tables={"slots": slots, "nodes": nodes}, policy="local", seed=0)
    return SimpleNamespace(any_run=run)


def test_a_row_for_each_battery_that_was_read_with_its_drift() -> None:
    slots = pd.DataFrame(
        {
            "slot": [0, 0, 1, 1, 2, 2],
            "node_id": ["n0", "n1", "n0", "n1", "n0", "n1"],
            "battery_read_j": pd.array([900.0, None, 880.0, None, None, None], dtype="Float64"),
        }
    )
    made = battery_gauges.table(study(slots))
    assert made is not None
    (row,) = made.frame.to_dict("records")
    assert row == {
        "node_id": "n0",
        "capacity_j": 36_000.0,
        "first_read_j": 900.0,
        "last_read_j": 880.0,
        "drift_j": -12.0,
        "slots": 2,
        "missing_slots": 1,
    }


def test_batteries_without_a_gauge_have_no_such_table() -> None:
    assert battery_gauges.table(study(pd.DataFrame({"node_id": ["n0"]}))) is None
