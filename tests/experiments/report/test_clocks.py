"""Table of clocks: what the slots' tables say of each node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from experiments.report import clocks


def study(slots: pd.DataFrame) -> Any:
    nodes = pd.DataFrame({"node_id": ["n0", "n1"]})
    run = SimpleNamespace(tables={"slots": slots, "nodes": nodes}, policy="local", seed=0)
    return SimpleNamespace(any_run=run)


def test_a_row_a_node_with_its_last_offset_and_its_largest_uncertainty() -> None:
    slots = pd.DataFrame(
        {
            "node_id": ["n0", "n1", "n0", "n1"],
            "clock_offset_s": pd.array([5.0, None, 5.001, None], dtype="Float64"),
            "clock_uncertainty_s": pd.array([0.002, None, 0.0004, None], dtype="Float64"),
        }
    )
    made = clocks.table(study(slots))
    assert made is not None
    first, second = made.frame.to_dict("records")
    assert first == {"node_id": "n0", "offset_s": 5.001, "uncertainty_s": 0.002, "moved_s": first["moved_s"]}
    assert round(float(first["moved_s"]), 6) == 0.001
    assert pd.isna(second["offset_s"]), "what was not measured is no zero"


def test_the_virtual_clock_has_no_such_table() -> None:
    assert clocks.table(study(pd.DataFrame({"node_id": ["n0"]}))) is None
