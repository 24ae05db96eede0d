"""Narrow terminals: no digit is cut, and what is left out is named."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from experiments.fitting_table import FittingTable
from experiments.report.read import load
from experiments.report.summary import print_summary


def printed(table: FittingTable, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return str(text)


@settings(deadline=None)
@given(
    st.integers(30, 120),
    st.lists(st.lists(st.integers(0, 10**9), min_size=5, max_size=5), min_size=1, max_size=4),
)
def test_a_figure_is_whole_or_its_column_is_named_as_left_out(width: int, rows: list[list[int]]) -> None:
    table = FittingTable()
    headings = [f"figure {letter}" for letter in "abcde"]
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right")
    for row in rows:
        table.add_row(*map(str, row))
    text = printed(table, width)
    _, _, beneath = text.partition("Left out at this width:")
    beneath = " ".join(beneath.split())
    for place, heading in enumerate(headings):
        if heading in beneath:
            continue
        for row in rows:
            assert re.search(rf"(?<!\d){row[place]}(?!\d)", text), heading
    assert "…" not in text
    assert headings[0] not in beneath, "the first column stays"


def test_columns_go_from_the_right_and_those_to_keep_stay() -> None:
    table = FittingTable(keep=["d"], first_to_go=["b"])
    for heading in "abcd":
        table.add_column(heading, no_wrap=True)
    table.add_row(*("1234567890",) * 4)
    assert "Left out" not in printed(table, 60)
    assert "Left out at this width: b." in printed(table, 50)
    assert "Left out at this width: b; c." in " ".join(printed(table, 30).split())


def test_what_stays_and_is_too_wide_folds_where_it_may() -> None:
    table = FittingTable(keep=["b"])
    table.add_column("a", overflow="fold")
    table.add_column("b", no_wrap=True)
    table.add_row("0123456789" * 3, "whole")
    text = printed(table, 25)
    assert "whole" in text
    assert "…" not in text
    assert len(re.findall(r"\d", text)) == 30


def test_headings_wrap_before_a_column_is_left_out() -> None:
    table = FittingTable("a", "grams per hour of the fleet")
    table.add_row("x", "1.00 g")
    text = printed(table, 20)
    assert "Left out" not in text
    assert "1.00 g" in text


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_summary_of_a_comparison_cuts_no_figure(small_comparison: Path, width: int) -> None:
    study = load(small_comparison)
    console = Console(file=io.StringIO(), width=width)
    print_summary(study, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert "policy" in text
    boxes = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    assert max(map(len, boxes)) <= width
