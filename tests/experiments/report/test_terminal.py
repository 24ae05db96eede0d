"""What a run or comparison shows in the terminal: functional units, reductions, then totals of the replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.report.read import load
from experiments.report.terminal import functional_table, reductions_table, totals_table

MakeRun = Callable[..., Path]


def test_the_terminal_leads_with_functional_units_and_states_reductions_twice(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "dat", "deta"), (0, 1)))
    leading = functional_table(study)
    assert leading.row_count == 2 * 3  # whole testbed, nodes alone
    assert {"per round", "per hour of the fleet"} <= {str(column.header) for column in leading.columns}
    stated = reductions_table(study)
    assert stated is not None
    assert [str(column.header) for column in stated.columns[2:]] == ["nodes alone", "whole testbed"]
    assert stated.row_count == 3 + 2  # against GRID, worked out, and LOCAL
    assert totals_table(study).row_count == 3
    assert reductions_table(load(study.folder / "deta-s0")) is None
