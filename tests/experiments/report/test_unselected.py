"""Work of nodes that were not selected."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.report.html import headline
from experiments.report.measures import totals
from experiments.report.notices import notices
from experiments.report.read import Study, load
from experiments.report.simulated.totals import simulated
from experiments.report.tables import policies
from experiments.report.terminal import totals_table
from experiments.report.unselected import unselected_batches

SCENARIO = """
[time]
start = 2022-06-21T12:00:00Z
[stages]
development = 2
[task]
name = "none"
[demand]
kind = "constant"
peak_w = 2.0
[fleet]
kind = "virtual"
[battery]
capacity_wh = 0
[harvest]
kind = "none"
[[nodes]]
zone = "US-NW-SCL"
count = 2
[[nodes]]
zone = "US-MIDA-PJM"
count = 2
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """LOCAL beside a rule that selects clients."""
    folder = tmp_path_factory.mktemp("selected")
    (folder / "s.toml").write_text(SCENARIO)
    arguments = ["--policies", "local,lowcarb", "--seeds", "1", "--no-report", "-o", str(folder / "c")]
    assert invoke(["compare", str(folder / "s.toml"), *arguments]) == 0
    return load(folder / "c")


def test_what_is_not_asked_for_is_neither_executed_nor_unserved(study: Study) -> None:
    for policy, left in (("local", False), ("lowcarb", True)):
        run = study.runs[policy][0]
        one, slots = totals(run), run.tables["slots"]
        assert one.unserved_batches == 0
        assert one.executed_batches + one.unselected_batches == slots["released_batches"].sum()
        assert bool(one.unselected_batches) is left
        assert simulated(run.folder).unselected_batches == one.unselected_batches


def test_a_comparison_of_unequal_work_says_so_with_grams_for_each_batch(study: Study) -> None:
    said = [notice for notice in notices(study) if notice.title == "Work not asked for"]
    assert len(said) == 1
    one = totals(study.runs["lowcarb"][0])
    every = one.unselected_batches + one.executed_batches
    assert f"lowcarb: {one.unselected_batches} of {every} batches" in said[0].text
    assert "LOCAL: 0 of" in said[0].text
    assert "not asked for" in {column.label for column in policies(study).columns}


def test_the_policy_that_emits_least_is_one_that_does_all_work(study: Study) -> None:
    assert totals(study.runs["lowcarb"][0]).emissions_g < totals(study.runs["local"][0]).emissions_g
    styles = {str(next(iter(table_cells))): row.style for table_cells, row in _rows(study)}
    assert styles == {"LOCAL": "green", "lowcarb": None}


def test_the_page_says_how_much_work_its_policy_did(study: Study) -> None:
    assert study.focus == "lowcarb"
    one = totals(study.runs["lowcarb"][0])
    share = one.executed_batches / (one.executed_batches + one.unselected_batches)
    assert f"It did {100 * share:.1f}" in headline(study)["sentence"]
    assert "of the batches" not in headline(replace(study, in_focus="local"))["sentence"]


def test_the_page_is_about_a_policy_that_does_all_work_where_there_is_one(study: Study) -> None:
    runs = study.runs | {"det": study.runs["local"]}
    assert replace(study, runs=runs).focus == "det"


def _rows(study: Study):
    table = totals_table(study)
    names = list(table.columns[0].cells)
    return [([name], row) for name, row in zip(names, table.rows, strict=True)]


def test_where_all_are_selected_nothing_is_left_out() -> None:
    rows = {"released_batches": [4, 4], "executed_batches": [4, 3], "unserved_batches": [0, 0]}
    assert unselected_batches([pd.DataFrame({"selected": [None, None], **rows})]) == 0
    assert unselected_batches([pd.DataFrame({"selected": [True, False], **rows})]) == 1
