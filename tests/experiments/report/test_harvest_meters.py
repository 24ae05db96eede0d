"""Table of panels' sensors, from the slots' table."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from experiments.report import harvest_meters


def study(slots: pd.DataFrame) -> Any:
    run = SimpleNamespace(tables={"slots": slots}, policy="local", seed=0)
    return SimpleNamespace(any_run=run)


def test_a_row_for_each_node_whose_harvest_was_measured() -> None:
    slots = pd.DataFrame(
        {
            "node_id": ["n0", "n1", "n0", "n1", "n0", "n1"],
            "metered": [True, True, True, True, False, True],
            "harvest_kind": pd.array(["power", None, "power", None, None, None], dtype="string"),
            "harvest_j": pd.array([3.0, 9.0, 4.0, 9.0, None, 9.0], dtype="Float64"),
            "harvest_half_width_j": pd.array([0.3, None, 0.4, None, None, None], dtype="Float64"),
            "harvest_bias_j": pd.array([0.0, None, 0.0, None, None, None], dtype="Float64"),
            "harvest_coverage_fraction": pd.array([1.0, None, 0.95, None, None, None], dtype="Float64"),
        }
    )
    made = harvest_meters.table(study(slots))
    assert made is not None
    (row,) = made.frame.to_dict("records")
    assert row == {
        "node_id": "n0",
        "kind": "power",
        "harvest_j": 7.0,
        "half_width_j": pytest.approx(0.5),
        "slots": 2,
        "missing_slots": 1,
        "least_coverage_fraction": 0.95,
    }


def test_series_have_no_such_table() -> None:
    assert harvest_meters.table(study(pd.DataFrame({"node_id": ["n0"]}))) is None
