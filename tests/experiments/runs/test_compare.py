"""Runs behind the command line: one, or several policies on identical seeds, on one warm fleet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli import invoke
from experiments.report.read import load


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
