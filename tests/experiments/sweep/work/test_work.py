"""Processes that compute cells: their answers, and what becomes of those that do not start."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest

from experiments.errors import FailedRunError, RunError
from experiments.scenario.model import parse_scenario
from experiments.scenario.written import text_of
from experiments.sweep.work import compute, local, worker
from experiments.sweep.work.jobs import Answer, Job
from experiments.sweep.work.local import LocalWorkers
from tests.experiments.sweep.energy import ENERGY

TEXT = text_of(parse_scenario(ENERGY))


def test_a_run_is_its_totals_and_leaves_no_files(tmp_path: Path) -> None:
    found = compute.answer(Job(3, TEXT), tmp_path)
    assert found.number == 3
    assert found.result is not None
    assert found.result["energy_j"] > 0
    assert json.loads(json.dumps(found.result, allow_nan=False)) == found.result
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_that_cannot_be_run_is_refused() -> None:
    found = compute.answer(Job(0, TEXT.replace('"DE"', '"Atlantis"'), only_check=True))
    assert "Atlantis" in found.refused
    assert compute.answer(Job(0, TEXT, only_check=True)) == Answer(0)


def test_a_policy_without_users_to_follow_is_refused() -> None:
    text = TEXT.replace('policy = "local"', 'policy = "follow-cheaper"')
    found = compute.answer(Job(0, text, only_check=True))
    assert "policy follow-cheaper follows users with conversations, and there are none" in found.refused


@pytest.mark.parametrize(
    ("error", "field", "said"),
    [
        (FailedRunError("run", ("why",)), "failed", "why"),
        (OSError(errno.ENOSPC, "full"), "stopped", "the disk is full"),
        (OSError(errno.EIO, "broken"), "failed", "broken"),
        (ZeroDivisionError("a"), "failed", "ZeroDivisionError: a"),
    ],
)
def test_errors(
    error: Exception, field: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(*_: Any) -> None:
        raise error

    monkeypatch.setattr(compute, "execute", execute)
    found = compute.answer(Job(0, TEXT), tmp_path)
    assert said in getattr(found, field)
    assert found.result is None
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_behind_a_run_s_error_stops_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(*_: Any) -> None:
        raise RunError("the run") from OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(compute, "execute", execute)
    assert "the disk is full" in compute.answer(Job(0, TEXT), tmp_path).stopped


def test_a_worker_answers_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "answer", lambda job, scratch: Answer(job.number, failed=job.text))
    questions = io.StringIO("".join(Job(k, f"t{k}").as_line() + "\n" for k in range(2)))
    answers = io.StringIO()
    worker.serve(questions, answers, tmp_path)
    ready, *found = answers.getvalue().splitlines()
    assert ready == worker.READY
    assert [Answer.of_line(line) for line in found] == [Answer(0, failed="t0"), Answer(1, failed="t1")]


@pytest.mark.processes
def test_processes_that_do_not_start_end_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "MODULE", "experiments.sweep.work.none")
    with LocalWorkers(1, tmp_path) as workers, pytest.raises(RunError, match="before it was ready"):
        list(workers.answers([Job(0, TEXT)]))
    assert "experiments.sweep.work.none" in (tmp_path / "workers.log").read_text()
