"""A run that failed says so: exit code 1, one sentence, no figure, and a folder without DONE."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.errors import FailedRunError, RunError, UsageError
from experiments.fleet.inprocess import InProcessFleet
from experiments.report.read import load
from experiments.resolve.resolve import resolve
from experiments.run_folder.failed import failure_of
from experiments.runs.failure import reasons_to_fail
from experiments.runs.run import Hooks, execute
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage
from tests.experiments.runs.failing import SCENARIO

BY_SLOT = "[inference]\nbatches_per_slot = 1"


def run(path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a run into ``run`` beside the scenario."""
    code = invoke(["run", str(path), "-o", str(path.parent / "run"), "--no-report", *more])
    said = capsys.readouterr()
    return code, said.out, said.err


def assert_failed(folder: Path, code: int, out: str, err: str, *words: str) -> None:
    assert code == 1
    assert out.strip() == ""
    assert "%" not in out + err
    assert "Traceback" not in err
    sentences = [line for line in err.splitlines() if line.startswith("failed:")]
    assert len(sentences) == 1
    for word in words:
        assert word in sentences[0], sentences
        assert word in failure_of(folder)
    assert not (folder / "DONE").exists()
    assert (folder / "ledger.sqlite").exists()
    assert (folder / "slots.parquet").exists()


@pytest.mark.parametrize(("policy", "line"), [("Raising", 12), ("Doubling", 18)])
def test_a_policy_that_falls_back_in_every_slot(
    scenario: Path, capsys: pytest.CaptureFixture[str], policy: str, line: int
) -> None:
    found = run(scenario, capsys, "--policy", f"failing_lab:{policy}")
    assert_failed(scenario.parent / "run", *found, "in all 3 slots", f"failing_lab.py:{line}")


def test_a_policy_that_falls_back_once_is_reported_and_done(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(scenario, capsys, "--policy", "failing_lab:Once")
    assert code == 0
    assert "Fallback decisions" in out


def test_nodes_that_answer_with_exceptions(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenario.write_text(SCENARIO.replace("[task]", '[task]\nstrategy = "failing_lab:Forgetful"'))
    found = run(scenario, capsys)
    assert_failed(scenario.parent / "run", *found, "2 of the nodes", "4 in all", "slot 0", "brings no model")


def test_more_unserved_batches_than_the_scenario_tolerates(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overloaded = SCENARIO.replace(BY_SLOT, '[inference]\narrivals = "poisson"\nload_fraction = 2.0')
    overloaded = overloaded.replace("[time]", "[time]\nslot_s = 2")
    scenario.write_text(overloaded)
    found = run(scenario, capsys)
    assert_failed(scenario.parent / "run", *found, "stayed unserved", "tolerance.unserved_fraction")
    scenario.write_text(overloaded + "[tolerance]\nunserved_fraction = 0.9\n")
    assert invoke(["run", str(scenario), "-o", str(scenario.parent / "more"), "--no-report"]) == 0
    assert "Unserved batches" in capsys.readouterr().out


def test_all_arrivals_outside_the_stage(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scenario.parent / "requests.csv").write_text("arrival_s\n3600\n7200\n")
    traced = SCENARIO.replace(BY_SLOT, '[inference]\narrivals = "trace"\npath = "requests.csv"')
    scenario.write_text(traced.replace("[time]", "[time]\nslot_s = 10"))
    for command in ("run", "check"):
        assert invoke([command, str(scenario)]) == 1
        said = capsys.readouterr()
        assert "all 2 arrivals of each node fall outside the application stage" in said.err
        assert said.out == ""
    (scenario.parent / "requests.csv").write_text("arrival_s\n9.5\n7200\n")
    assert run(scenario, capsys)[0] == 0


@pytest.mark.parametrize("tolerated", [True, False])
def test_what_a_lost_node_left_undone_is_reported_where_loss_is_tolerated(
    tmp_path: Path, tolerated: bool
) -> None:
    text = SCENARIO if tolerated else SCENARIO + "[tolerance]\nlost_nodes = false\n"
    with InProcessFleet() as fleet:
        hooks = Hooks(on_slot=lambda outcome: fleet.grid.lose(fleet.numbers["n1"]))
        if tolerated:
            folder = execute(resolve(parse_scenario(text)), tmp_path / "run", fleet, hooks)
            assert (folder / "DONE").exists()
            assert load(folder).any_run.tables["slots"]["unserved_batches"].sum() > 0
        else:
            with pytest.raises(FailedRunError, match="n1 lost in slot 1"):
                execute(resolve(parse_scenario(text)), tmp_path / "run", fleet, hooks)


def test_where_all_nodes_are_lost_the_first_of_them_is_named_first(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with InProcessFleet() as fleet:

        def lose(_: object) -> None:
            for number in fleet.numbers.values():
                fleet.grid.lose(number)

        with pytest.raises(RunError, match=r"run: 2 of 2 nodes failed; the first, n0, in slot 1: .+; then: "):
            execute(resolve(parse_scenario(SCENARIO)), folder, fleet, Hooks(on_slot=lose))
    assert "; the first, n0, in slot 1: " in failure_of(folder)


@pytest.mark.parametrize("answered", [True, False])
def test_why_nodes_failed_is_named_before_the_work_that_they_left(answered: bool) -> None:
    """Nodes that answer too late settle, and are no lost nodes."""
    silent = () if answered else ("n0", "n1")
    outcome = SimpleNamespace(
        slot=3,
        interrupted=False,
        not_asked=(),
        stage=Stage.APPLICATION,
        plan=SimpleNamespace(
            status="optimal", lost_nodes=(), decisions=[SimpleNamespace(node_id=f"n{k}") for k in range(2)]
        ),
        replies=SimpleNamespace(failed={}, raised=(), missing=silent, unreachable=(), aggregated=None),
        summary=SimpleNamespace(missing_nodes=()),
    )
    table = pd.DataFrame(
        {"slot": [3, 3], "node_id": ["n0", "n1"], "released_batches": [2, 2], "unserved_batches": [2, 2]}
    )
    found = reasons_to_fail(resolve(parse_scenario(SCENARIO)), cast("Any", [outcome]), table)
    assert found[-1].startswith("4 of 4 batches stayed unserved")
    assert found[:-1] == (
        () if answered else ("2 of 2 nodes failed; the first, n0, in slot 3: no answer by the deadline",)
    )


def test_a_fault_of_the_program_marks_the_folder_and_keeps_its_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def fault(_: object) -> None:
        raise ZeroDivisionError("by 0")

    with InProcessFleet() as fleet, pytest.raises(ZeroDivisionError):
        execute(resolve(parse_scenario(SCENARIO)), folder, fleet, Hooks(on_open=fault))
    assert failure_of(folder) == "ZeroDivisionError: by 0"
    assert not (folder / "DONE").exists()
    (other := tmp_path / "other").mkdir()
    (other / "of another run").touch()
    with InProcessFleet() as fleet, pytest.raises(UsageError, match="another run was written there"):
        execute(resolve(parse_scenario(SCENARIO)), other, fleet)
    assert failure_of(other) == ""


def test_json_says_the_failure(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(scenario, capsys, "--policy", "failing_lab:Raising", "--json")
    assert code == 1
    found = json.loads(out)
    assert set(found) == {"failed", "run"}
    assert "failing_lab.py:12" in found["failed"]
    assert found["run"] == str(scenario.parent / "run")


def test_a_report_of_a_failed_run_is_refused_with_its_reason(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(scenario, capsys, "--policy", "failing_lab:Raising")
    assert invoke(["report", str(scenario.parent / "run")]) == 2
    assert "the run failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "exit_code", "line"),
    [
        ("raise RuntimeError('no licence')\n", 2, 1),
        ("def f(:\n    pass\n", 2, 1),
        ("class Mine:\n    def __init__(self):\n        raise KeyError('key')\n", 2, 3),
        (
            "from coordinator.policies.local import Local\nclass Mine(Local):\n    name = 'mine'\n"
            "    def init(self, seed):\n        raise OSError('no file')\n",
            1,
            5,
        ),
    ],
)
def test_user_code_that_cannot_start_gives_a_sentence_with_its_line(
    scenario: Path, capsys: pytest.CaptureFixture[str], code: str, exit_code: int, line: int
) -> None:
    name = f"cannot_begin_{line}_{exit_code}_{len(code)}"
    (scenario.parent / f"{name}.py").write_text(code)
    found, out, err = run(scenario, capsys, "--policy", f"{name}:Mine")
    assert (found, out) == (exit_code, "")
    assert "Traceback" not in err
    assert name in err
    assert f"{name}.py:{line}" in err or "SyntaxError" in err
