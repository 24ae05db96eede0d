"""What a run or comparison shows in the terminal, and the JSON objects of ``--json``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.report.measures import reduction
from experiments.report.notices import notices
from experiments.report.read import load
from experiments.report.summary import comparison_json, run_json, summary_json

MakeRun = Callable[..., Path]


def test_comparison_json_has_one_value_per_seed(make_compare: MakeRun) -> None:
    study = load(make_compare(("grid", "local", "deta"), (0, 1, 2)))
    found = comparison_json(study)
    json.dumps(found, allow_nan=False)
    deta, local = found["policies"]["deta"], found["policies"]["local"]
    assert len(deta["emissions_g"]) == len(deta["accuracy"]) == len(deta["tree_testbed_bit_per_j"]) == 3
    for k in range(3):
        assert deta["reduction_vs_local_fraction"][k] == pytest.approx(
            1 - deta["emissions_g"][k] / local["emissions_g"][k]
        )
    value = reduction(study, "deta", "grid")
    assert value is not None
    assert value.mean == pytest.approx(sum(deta["reduction_vs_grid_fraction"]) / 3)
    assert found["run"] == str(study.folder)


def test_grid_that_was_not_run_is_worked_out_from_local_and_said_to_be(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "deta"), (4,)))
    assert comparison_json(study)["policies"]["deta"]["reduction_vs_grid_fraction"] is not None
    assert "LOCAL's metered demand" in next(n.text for n in notices(study) if n.title == "GRID was not run")


def test_run_json_is_plain(make_run: MakeRun) -> None:
    folder = make_run("det", 3)
    found = summary_json(load(folder))
    assert json.loads(json.dumps(found, allow_nan=False)) == run_json(load(folder).any_run)
    assert (found["policy"], found["seed"]) == ("det", 3)


def test_json_states_every_reduction_for_nodes_alone_and_for_the_whole_testbed(make_compare: MakeRun) -> None:
    study = load(make_compare(("local", "deta"), (0, 1)))
    found = comparison_json(study)
    rows = {(row["policy"], row["baseline"], row["boundary"]): row for row in found["reductions"]}
    assert set(rows) == {
        (policy, baseline, boundary)
        for policy, baseline in (("deta", "local"), ("deta", "grid"), ("local", "grid"))
        for boundary in ("nodes", "testbed")
    }
    deta = found["policies"]["deta"]
    for boundary, key in (("testbed", ""), ("nodes", "nodes_")):
        row = rows["deta", "local", boundary]
        assert row["reduction"] == pytest.approx(sum(deta[f"{key}reduction_vs_local_fraction"]) / 2)
        assert row["together"]["low"] <= row["readings"]["low"] <= row["readings"]["high"] <= 1.0
    # The shared lines are the same under both policies: they dilute the reduction of the nodes.
    assert rows["deta", "local", "nodes"]["reduction"] > rows["deta", "local", "testbed"]["reduction"]
    assert next(iter(deta)) == "functional_units"
    assert [one["testbed"]["per_1000_tokens_g"] for one in deta["functional_units"]] == [None, None]


def test_a_summary_needs_neither_plots_nor_torch() -> None:
    code = (
        "import sys, experiments.report.summary;"
        "assert not {'matplotlib', 'torch', 'jinja2'} & set(sys.modules), 'imported too early'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
