"""The tables of a report: what is shown, how it is formatted, and the CSV of every one in base units."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.report import units
from experiments.report.figures.flows import matrix
from experiments.report.measures import totals
from experiments.report.read import load
from experiments.report.tables import policies
from experiments.report.terminal import totals_table


def test_what_was_sent_and_what_was_curtailed_stand_under_their_own_headings(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run("deta", 0)
    slots = pd.read_parquet(folder / "slots.parquet")
    slots.assign(curtailed_j=slots["curtailed_j"] + 0.7).to_parquet(folder / "slots.parquet")
    study = load(folder)
    found = totals(study.any_run)
    expected = {"curtailed": found.curtailed_j, "transferred": found.sent_j}
    assert 0 < found.received_j < found.sent_j
    assert len({units.joules(value) for value in (*expected.values(), found.received_j)}) == 3
    read_table = policies(study)
    (row,) = read_table.rows()
    shown = dict(
        zip((column.label for column in read_table.columns), (text for text, _, _ in row), strict=True)
    )
    assert {label: shown[label] for label in expected} == {n: units.joules(j) for n, j in expected.items()}
    for name in ("curtailed_j", "sent_j"):
        assert read_table.frame[name].iloc[0] == pytest.approx(getattr(found, name))
    terminal = totals_table(study)
    cells = {str(column.header): next(iter(column.cells)) for column in terminal.columns}
    assert cells["transferred"] == units.joules(found.sent_j)
    carried, _ = matrix(study.any_run, "energy")
    assert carried.to_numpy().sum() == pytest.approx(found.sent_j)
