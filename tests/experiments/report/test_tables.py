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
from experiments.report.tables import nodes, policies
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


def test_the_page_says_of_every_node_what_its_sleep_was(make_run: Callable[..., Path]) -> None:
    folder = make_run("deta", 0)
    assert "sleep" not in [column.label for column in nodes(load(folder)).columns]
    table = pd.read_parquet(folder / "nodes.parquet")
    kinds = ["none", "modelled", "command", "supply", None]
    sleep = [kinds[place % len(kinds)] for place in range(len(table))]
    table.assign(sleep=pd.Series(sleep, dtype="string")).to_parquet(folder / "nodes.parquet")
    shown = nodes(load(folder))
    place = [column.label for column in shown.columns].index("sleep")
    by_node = {cells[0][0]: cells[place][0] for cells in shown.rows()}
    words = {
        "none": "not possible",
        "modelled": "modelled",
        "command": "real, by command",
        "supply": "real, by supply",
    }
    expected = [units.NO_VALUE if kind is None else words[kind] for kind in sleep]
    assert by_node == dict(zip(table["node_id"], expected, strict=True))


def test_sleep_by_the_model_is_called_so_where_nodes_slept(make_run: Callable[..., Path]) -> None:
    folder = make_run("deta", 0)
    slots = pd.read_parquet(folder / "slots.parquet")
    slots.loc[0, "awake"] = False
    slots.to_parquet(folder / "slots.parquet")
    assert set(nodes(load(folder)).frame["sleep"]) == {"modelled"}
