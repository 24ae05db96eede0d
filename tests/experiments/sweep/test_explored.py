"""What the page knows."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from experiments.sweep import explored
from experiments.sweep.explored import label
from experiments.sweep.plan import Plan
from experiments.sweep.table import FIGURES, Run, failures_of, table_of, unmoved_axes
from tests.experiments.sweep.test_plan import plan_of


def made(plan: Plan, grams: dict[Run, float]) -> pd.DataFrame:
    return table_of(plan, {run: {"emissions_g": value, "energy_j": 2.0} for run, value in grams.items()})


def test_means_and_intervals_over_seeds() -> None:
    plan = plan_of("nodes.count=1,2", seeds=2)
    table = made(plan, {(0, "local", 0): 1.0, (0, "local", 1): 3.0, (1, "local", 0): 5.0})
    told = explored.explored(plan, table)
    mean, low, high, n = told["estimates"]["local"]["emissions_g"][0]
    assert (mean, n) == (2.0, 2)
    assert high - mean == pytest.approx(12.7062, rel=1e-4)  # t of one degree of freedom, times 1
    assert mean - low == pytest.approx(high - mean)
    assert told["estimates"]["local"]["emissions_g"][1] == [5.0, None, None, 1]
    assert [figure["name"] for figure in told["figures"]] == ["emissions_g", "energy_j"]


def test_figures_without_room_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explored, "MOST_BYTES", 100)
    plan = plan_of("nodes.count=1,2,3")
    told = explored.explored(plan, made(plan, {(cell, "local", 0): 1.0 for cell in range(3)}))
    assert len(json.dumps(told["estimates"])) < 200
    assert told["left_out"] == ["energy (J)"]


def test_labels_have_units() -> None:
    assert label("emissions_g") == "emissions (g CO2e)"
    assert label("tree_testbed_bit_per_j") == "TREE testbed (bit/J)"
    assert label("moved_batches") == "moved batches"


def test_axes_on_which_no_figure_depends() -> None:
    plan = plan_of("nodes.count=1,2", "limits.transfer_cap_fraction=0,1")
    table = made(plan, {(cell, "local", 0): float(cell // 2) for cell in range(4)})
    assert unmoved_axes(plan, table) == ("limits.transfer_cap_fraction",)


def test_rows_are_in_order_and_what_failed_is_apart() -> None:
    plan = plan_of("nodes.count=1,2", policies=["local", "det"])
    table = made(plan, {(1, "det", 0): 4.0, (0, "det", 0): 2.0, (0, "local", 0): 1.0})
    assert list(table["emissions_g"]) == [1.0, 2.0, 4.0]
    assert table["accuracy"].isna().all()
    assert set(FIGURES) <= set(table.columns)
    failures = failures_of(plan, {(1, "local", 0): "why"})
    assert failures.to_dict("records") == [
        {"cell": 1, "nodes.count": "2", "policy": "local", "seed": 0, "why": "why"}
    ]
