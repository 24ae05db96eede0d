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
from experiments.run_folder.failed import failure_of
from experiments.run_folder.lock import is_running
from experiments.runs import compare, regrets, run


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
    folder = scenario.parent / "none"
    arguments = ["--policies", "failing_lab:Raising", "--seeds", "1", "-o", str(folder)]
    assert invoke(["compare", str(scenario), *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "failing_lab.Raising-s0" in said.err
    assert "%" not in said.err
    assert failure_of(folder).startswith("failing_lab.Raising-s0: ")
    assert invoke(["resume", str(folder)]) == 2
    assert (
        "all runs of the comparison failed, and none can go on: failing_lab.Raising-s0: "
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("policies", ["failing_lab:Raising", "local,failing_lab:Raising"])
def test_runs_and_their_comparison_hold_their_folders_until_they_are_marked(
    scenario: Path, monkeypatch, policies: str
) -> None:
    folder, seen = scenario.parent / "both", []
    for module in (run, compare):
        mark = module.mark_failed

        def marking(where, sentence, mark=mark):
            seen.append((where.name, is_running(where)))
            mark(where, sentence)

        monkeypatch.setattr(module, "mark_failed", marking)
    arguments = ["--policies", policies, "--seeds", "1", "-o", str(folder), "--no-report"]
    assert invoke(["compare", str(scenario), *arguments]) == 1
    assert seen == [("failing_lab.Raising-s0", True), ("both", True)]
    assert not is_running(folder)
    assert not is_running(folder / "failing_lab.Raising-s0")


def test_a_comparison_that_is_done_held_its_folder_while_it_ended(
    small_scenario: Path, tmp_path: Path, monkeypatch
) -> None:
    folder, seen = tmp_path / "one", []
    finish = regrets.Regrets.finish

    def finishing(self):
        found = finish(self)
        seen.append((is_running(folder), (folder / "DONE").exists()))
        return found

    monkeypatch.setattr(regrets.Regrets, "finish", finishing)
    arguments = ["--policies", "local", "--seeds", "1", "-o", str(folder), "--no-report"]
    assert invoke(["compare", str(small_scenario), *arguments]) == 0
    assert seen == [(True, False)]
    assert (folder / "DONE").exists()
    assert not is_running(folder)


def test_a_fault_of_the_program_marks_run_and_comparison_and_names_the_run(
    small_scenario: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(resolved, folder, *_):
        if resolved.scenario.policy == "grid":
            raise ZeroDivisionError("by 0")
        return record(resolved, folder, *_)

    record = run.export_run
    monkeypatch.setattr(run, "export_run", faulty)
    folder = tmp_path / "both"
    arguments = ["--policies", "local,grid", "--seeds", "1", "-o", str(folder), "--no-report"]
    with pytest.raises(ZeroDivisionError) as caught:  # which ends the process with code 1 and a traceback
        invoke(["compare", str(small_scenario), *arguments])
    assert caught.value.__notes__ == [f"in run grid-s0 of the comparison in {folder}, which is marked FAILED"]
    assert failure_of(folder) == "grid-s0: ZeroDivisionError: by 0"
    assert failure_of(folder / "grid-s0") == "ZeroDivisionError: by 0"
    assert not (folder / "DONE").exists()
    said = capsys.readouterr()
    assert said.out == ""
    assert "%" not in said.err


def test_a_comparison_shows_how_far_the_resolution_is(
    small_scenario: Path, tmp_path: Path, monkeypatch
) -> None:
    resolve, shown = compare.resolve, []

    def slow(spec, watch):
        watch("requests of nodes, by slot", 3, 8)
        shown.append([(task.description, task.completed, task.total) for task in bars[-1].tasks])
        return resolve(spec)

    bars, bar = [], compare.progress_bar
    monkeypatch.setattr(compare, "progress_bar", lambda *a, **k: bars.append(bar(*a, **k)) or bars[-1])
    monkeypatch.setattr(compare, "resolve", slow)
    scenario = open_scenario(str(small_scenario))
    folder = tmp_path / "compare"
    compare.run_compare(scenario, ("local", "grid"), 1, folder, Console(stderr=True), quiet=True, draw=False)
    told = "requests of nodes, by slot"
    assert [tasks[1:] for tasks in shown] == [
        [(f"{name} seed 0: {told}", 3, 8)] for name in ("local", "grid")
    ]
    assert len(bars[-1].tasks) == 1


def test_a_run_shows_how_far_the_resolution_is(small_scenario: Path, tmp_path: Path, monkeypatch) -> None:
    told = []
    resolve = compare.resolve_single
    monkeypatch.setattr(compare, "resolve_single", lambda spec, watch: told.append(watch) or resolve(spec))
    folder = tmp_path / "run"
    compare.run_single(open_scenario(str(small_scenario)), folder, Console(stderr=True), True, draw=False)
    assert len(told) == 1
    assert callable(told[0])


def test_scenarios_are_resolved_once(small_scenario: Path, tmp_path: Path, monkeypatch) -> None:
    counted, resolve = Counter(), compare.resolve

    def count(spec, watch):
        counted[spec.policy, spec.seed] += 1
        return resolve(spec, watch)

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
