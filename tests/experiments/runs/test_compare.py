"""Runs behind the command line: one, or several policies on identical seeds, on one warm fleet."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from experiments.cli import invoke
from experiments.report import read
from experiments.report.read import load, load_run
from experiments.resolve.prepare import open_scenario
from experiments.runs import compare, regrets


def test_a_comparison_names_the_failed_run_and_states_no_reduction_with_it(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = scenario.parent / "both"
    arguments = ["--policies", "local,failing_lab:Raising", "--seeds", "1", "-o", str(folder), "--no-report"]
    assert invoke(["compare", str(scenario), *arguments, "--json"]) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert set(found["policies"]) == {"local"}
    assert set(found["failed"]) == {"failing_lab.Raising-s0"}
    assert "failing_lab.Raising-s0" in said.err
    assert found["absent"] == []
    assert not (folder / "DONE").exists()
    # Read again, it says the same.
    assert set(load(folder).failed) == {"failing_lab.Raising-s0"}


def test_a_comparison_of_nothing_but_failed_runs(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--policies", "failing_lab:Raising", "--seeds", "1", "-o", str(scenario.parent / "none")]
    assert invoke(["compare", str(scenario), *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "failing_lab.Raising-s0" in said.err
    assert "%" not in said.err


def test_scenarios_are_resolved_once(small_scenario: Path, tmp_path: Path, monkeypatch) -> None:
    counted, resolve = Counter(), compare.resolve

    def count(spec):
        counted[spec.policy, spec.seed] += 1
        return resolve(spec)

    monkeypatch.setattr(compare, "resolve", count)
    scenario = open_scenario(str(small_scenario))
    folder = tmp_path / "compare"
    compare.run_compare(scenario, ("local", "grid"), 2, folder, Console(stderr=True), quiet=True, draw=False)
    first = scenario.seed
    assert counted == {(policy, seed): 1 for policy in ("local", "grid") for seed in range(first, first + 2)}


def test_regret_report_and_summary_read_a_finished_run_once(
    small_scenario: Path, tmp_path: Path, monkeypatch
) -> None:
    opened = []
    for module in (read, regrets):
        monkeypatch.setattr(
            module, "load_run", lambda path, **how: opened.append(path) or load_run(path, **how)
        )
    folder = tmp_path / "compare"
    scenario = open_scenario(str(small_scenario))
    finished = compare.run_compare(scenario, ("local",), 1, folder, Console(stderr=True), quiet=True)
    said = finished.as_dict()
    finished.print(Console(stderr=True))
    assert opened == [folder / "local-s0"]
    again = compare.Finished(folder, finished.report, finished.wall_s).as_dict()  # as without a report
    assert again == said
