"""What a run or comparison shows in the terminal: functional units, reductions, then totals of the replay."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments.report.read import load
from experiments.report.summary import print_summary
from experiments.report.tables import policies
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


@pytest.mark.parametrize("tokens", [True, False])
def test_what_counts_generated_tokens_alone_is_there_where_some_were_generated(
    make_run: MakeRun, tokens: bool
) -> None:
    study = load(make_run("local", 0))
    for run in study:
        if not tokens:
            run.tables["slots"]["tokens_out"] = 0
    headers = {str(column.header) for column in totals_table(study).columns}
    assert "TREE, testbed" in headers
    assert ("generated only" in headers) is tokens
    labels = {column.label for column in policies(study).columns}
    assert ("generated tokens only" in labels) is tokens


def test_paths_come_last_after_the_heads_of_the_books(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "deta"), (0, 1)))
    console = Console(file=StringIO(), width=200)
    for run in study:
        run.metadata["ledger"] = {"entries": 7, "head": "f" * 64}
    print_summary(study, console, report=study.folder / "report.html")
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert said[-2:] == [f"folder: {study.folder}", f"report: {study.folder / 'report.html'}"]
    assert [line.startswith("books: ") for line in said[-6:-2]] == [True] * 4
