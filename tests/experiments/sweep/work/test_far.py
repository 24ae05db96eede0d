"""A process of another machine: it computes what it is asked where it has the same files, and refuses where not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from experiments.scenario.model import parse_scenario
from experiments.scenario.written import text_of
from experiments.sweep.keys import Keys, Surroundings
from experiments.sweep.work.far import PREFIX, FarServer, Greeting, remove_of_the_dead
from experiments.sweep.work.jobs import Answer, Job
from tests.experiments.sweep.energy import ENERGY


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarServer:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return FarServer()


def test_it_greets_and_answers_and_leaves_no_files(server: FarServer, tmp_path: Path) -> None:
    assert Greeting.here().differs(Greeting.of_line(server.greet())) == ""
    scenario = parse_scenario(ENERGY)
    own = Keys(Surroundings.here()).own(scenario)
    found = Answer.of_line(server.answer(Job(3, text_of(scenario), own=own).as_line()))
    assert found.number == 3
    assert found.result is not None
    assert found.result["energy_j"] > 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_it_refuses_where_a_file_that_the_scenario_names_is_another_here(
    server: FarServer, tmp_path: Path
) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text("a")
    scenario = parse_scenario(ENERGY + f'\n[intensity]\nsource = "trace"\noptions = {{ path = "{trace}" }}\n')
    own = Keys(Surroundings.here()).own(scenario)
    trace.write_text("b")
    found = Answer.of_line(server.answer(Job(0, text_of(scenario), own=own).as_line()))
    assert "has other files or code of one's own" in found.refused


@pytest.mark.parametrize("line", ["[1]", '{"machine": 1}', '{"machine": "m"}', "x"])
def test_what_is_no_greeting(line: str) -> None:
    with pytest.raises(ValueError):
        Greeting.of_line(line)


def test_scratch_of_killed_processes_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    for pid in (dead.pid, os.getpid()):
        (tmp_path / f"{PREFIX}{pid}-x").mkdir()
    (tmp_path / f"{PREFIX}name-x").mkdir()
    remove_of_the_dead(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}{os.getpid()}-x", f"{PREFIX}name-x"}
