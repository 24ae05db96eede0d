"""GRID computed from LOCAL's ledger equals a run of GRID."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.report.baselines import all_from_grid
from experiments.report.lifecycle.books import by_stage
from experiments.report.measures import totals
from experiments.report.read import load


def test_grid_worked_out_from_local_is_what_a_run_of_grid_emits(
    small_scenario: Path, small_comparison: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "grid"
    arguments = ["run", str(small_scenario), "--policy", "grid", "--output", str(ran), "--no-report"]
    assert invoke(arguments) == 0
    local = load(small_comparison / "local-s0").any_run
    grid_g = all_from_grid(local)["operational_g"].sum(skipna=False)
    assert grid_g > totals(local).emissions_g
    # Each line of either run is rounded to the picogram.
    stages = by_stage(local)
    assert sum(each.all_grid_g for each in stages.values()) == pytest.approx(grid_g, rel=1e-12)
    lines = len(local.tables["lines"])
    assert grid_g == pytest.approx(totals(load(ran).any_run).emissions_g, rel=1e-9, abs=0.5e-12 * lines)
