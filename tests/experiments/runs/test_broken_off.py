"""What is not resumed: refused with a sentence, exit code 2 and nothing changed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import sqlite3
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from experiments.cli import invoke
from experiments.errors import UsageError
from experiments.run_folder.checkpoint import STATE, WAITING_BY_REPORTS, read_state
from experiments.run_folder.files import (
    CHECKPOINT,
    COMPARING,
    DONE,
    FAILED,
    LEDGER,
    PROGRESS,
    SCENARIO,
)
from experiments.run_folder.lock import run_lock
from experiments.runs import broken_off
from experiments.runs.recording import Recording
from tests.scenarios import SMALL

Break = Callable[..., Path]


def breaking(monkeypatch: pytest.MonkeyPatch, error: BaseException, slots: int = 3) -> None:
    """From now on a run ends with ``error`` after so many slots."""
    inner, count = Recording.booked, 0

    def booked(self: Recording, what: Any) -> None:
        nonlocal count
        inner(self, what)
        count += 1
        if count == slots:
            raise error

    monkeypatch.setattr(Recording, "booked", booked)


def begun_ledger(path: Path) -> None:
    """One whose making was killed after its first table."""
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)")
    connection.close()


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted after three slots."""
    folder = tmp_path_factory.mktemp("broken") / "run"
    scenario = folder.parent / "small.toml"
    scenario.write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        breaking(patch, KeyboardInterrupt())
        assert invoke(["run", str(scenario), "-o", str(folder), "--no-report"]) == 130
    return folder


@pytest.fixture
def folder(broken: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(broken, tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(f"{LEDGER}-")  # SQLite's own, made when it is read
    }


def edit_state(folder: Path, **changes: Any) -> None:
    """Rewrite the JSON in the checkpoint's header, as another version or strategy would have it."""
    path = folder / CHECKPOINT
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"][STATE] = json.dumps(json.loads(header["__metadata__"][STATE]) | changes)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def done(folder: Path) -> None:
    (folder / DONE).touch()


def failed_by_itself(folder: Path) -> None:
    (folder / CHECKPOINT).unlink()
    (folder / FAILED).write_text("strategy Mine failed in round 2\n")


def edited(folder: Path) -> None:
    with (folder / SCENARIO).open("a") as file:
        file.write("# a remark\n")


def waited_by_reports(folder: Path) -> None:
    """Begun with deferral by a version whose books counted what waits otherwise."""
    told = tomllib.loads((folder / SCENARIO).read_text())
    told["limits"] = {**told.get("limits", {}), "deadline_slots": 1}
    (folder / SCENARIO).write_text(tomli_w.dumps(told))
    edit_state(folder, format=WAITING_BY_REPORTS)


def virtual(folder: Path) -> None:
    nodes = [{"zone": "DE", "count": 2}]
    none = {"name": "energy", "task": {"name": "none"}, "fleet": {"kind": "virtual"}, "nodes": nodes}
    (folder / SCENARIO).write_text(tomli_w.dumps(none))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "done": (done, "is DONE: nothing is left to resume; `detabed report"),
    "failed by itself": (
        failed_by_itself,
        "failed by itself, and would again: strategy Mine failed in round 2",
    ),
    "no ledger": (lambda folder: (folder / LEDGER).unlink(), "has no ledger"),
    "a ledger that was being made": (
        lambda folder: begun_ledger(folder / LEDGER),
        "broken off before anything was booked",
    ),
    "no checkpoint": (lambda folder: (folder / CHECKPOINT).unlink(), "has no checkpoint"),
    "no scenario": (lambda folder: (folder / SCENARIO).unlink(), "give the folder that `detabed run`"),
    "edited scenario": (edited, "was changed since the run began"),
    "another version": (lambda folder: edit_state(folder, version="0.0.1"), "was begun by detabed 0.0.1"),
    "waiting work of another version": (
        waited_by_reports,
        r"was begun by an earlier detabed .* \(checkpoint format 1\), which counted work that waits",
    ),
    "strategy": (
        lambda folder: edit_state(folder, not_kept="Mine (Mine.log is a TextIOWrapper)"),
        r"the state of strategy Mine \(Mine.log is a TextIOWrapper\) cannot be kept",
    ),
    "virtual": (virtual, "runs on a virtual fleet are not resumed"),
    "another ledger": (lambda folder: edit_state(folder, slot=1), "they are not of one run"),
    "no progress": (lambda folder: (folder / PROGRESS).unlink(), "lacks slot 0"),
    "damaged": (lambda folder: (folder / CHECKPOINT).write_bytes(b"x"), "is no checkpoint"),
    "damaged comparison": (lambda folder: (folder / COMPARING).write_text("{"), "is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_go_on_is_refused_and_left_as_it_was(
    folder: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, sentence = REFUSED[case]
    change(folder)
    before = contents(folder)
    assert invoke(["resume", str(folder), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(sentence, " ".join(said.err.split())), said.err
    assert contents(folder) == before


def test_no_folder(tmp_path: Path) -> None:
    assert invoke(["resume", str(tmp_path / "none")]) == 2


def test_a_run_that_still_runs_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with run_lock(folder):
        assert invoke(["resume", str(folder)]) == 2
    assert f"process {os.getpid()} runs in this folder" in " ".join(capsys.readouterr().err.split())


def test_a_coordinator_that_outlives_its_runner_is_waited_for(folder: Path) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    holder = os.open(folder / f"{LEDGER}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="a coordinator still holds its ledger"):
        broken_off.await_coordinator(folder, lambda: now, sleep)
    assert now >= broken_off.COORDINATOR_GONE_S
    os.close(holder)
    broken_off.await_coordinator(folder, lambda: now, sleep)


def test_two_runs_do_not_share_a_folder(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with run_lock(empty):
        # The lock's own file makes the folder one that is not empty.
        assert invoke(["run", str(folder / SCENARIO), "-o", str(empty), "--no-report"]) == 2


def test_a_full_disk_is_no_fault_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, folder = tmp_path / "small.toml", tmp_path / "run"
    scenario.write_text(SMALL)
    with monkeypatch.context() as patch:
        breaking(patch, OSError(errno.ENOSPC, "No space left on device", str(folder)))
        assert invoke(["run", str(scenario), "-o", str(folder), "--no-report"]) == 1
    assert "the disk is full" in (folder / FAILED).read_text()
    assert read_state(folder) is not None
    capsys.readouterr()
    assert invoke(["resume", str(folder), "--no-report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["resumptions"]["run"][0]["slot"] == 3
    assert (folder / DONE).exists()
    assert not (folder / FAILED).exists()


def test_a_run_of_the_format_before_goes_on_where_no_work_waits(folder: Path) -> None:
    edit_state(folder, format=WAITING_BY_REPORTS)
    assert broken_off.broken_off(folder).state["slot"] == 3


def test_a_run_of_a_flower_app_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / SCENARIO).write_text('[task]\napp = "my-app"\n[[nodes]]\nzone = "DE"\n')
    with pytest.raises(UsageError, match="runs of a Flower app are not resumed"):
        broken_off.broken_off(tmp_path)
