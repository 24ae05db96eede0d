"""Fault 12: tracebacks on disk full, ledger removed, lock held, a folder that nobody may write: each is one sentence
that says what was met and what to do next, an exit code, and nothing half-written."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.run_folder.files import (
    CHECKPOINT,
    DONE,
    FAILED,
    LEDGER,
    LOCK,
    METADATA,
    MODEL,
    PROGRESS,
    SCENARIO,
)
from tests.scenarios import FULL

ROOT = Path(__file__).parents[2]
NOTHING_DAMAGED = "nothing"
READERS = {
    "report": ["report", "{run}"],
    "report --json": ["report", "{run}", "--json"],
    "resume": ["resume", "{run}"],
    "watch": ["watch", "{run}", "--once"],
    "verify": ["ledger", "verify", "{run}"],
    "export": ["ledger", "export", "{run}", "--signed", "-o", "{place}/out.jsonl"],
    "qoais": ["qoais", "{run}"],
    "twin": ["twin", "{run}"],
}
"""Commands that read a run folder."""
Attempt = Callable[..., dict[str, Any]]


def has_root() -> bool:
    """Faults of mounts and of rights are made with root's."""
    return sys.platform.startswith("linux") and os.geteuid() == 0 and ctypes.CDLL(None) is not None


needs_root = pytest.mark.skipif(not has_root(), reason="making such a fault needs root on Linux")


@pytest.fixture(scope="module")
def attempt() -> Iterator[Attempt]:
    """The command line, called in a process that meets a fault first."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.reliability.attempts"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    ) as process:
        pipes = process.stdin, process.stdout
        assert pipes[0] is not None
        assert pipes[1] is not None
        to, back = pipes[0], pipes[1]

        def ask(*arguments: object, fault: str = "nothing", look: Path | str = "", **options: object) -> Any:
            asked = {
                "arguments": [*map(str, arguments)],
                "fault": fault,
                "options": options,
                "look": str(look),
            }
            to.write(json.dumps(asked) + "\n")
            to.flush()
            return json.loads(back.readline())

        yield ask
        to.close()


@pytest.fixture(scope="module")
def made(attempt: Attempt, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A scenario, a run that is done and one that was broken off."""
    place = tmp_path_factory.mktemp("runs")
    scenario = place / "full.toml"
    scenario.write_text(FULL.replace("[[nodes]]", '[fleet]\nkind = "inprocess"\n[[nodes]]'))
    assert attempt("run", scenario, "-o", place / "done", "--no-report")["code"] == 0
    options = {"fault": "killed", "after_slots": 2}
    assert attempt("run", scenario, "-o", place / "broken", "--no-report", **options)["code"] == -9
    (place / "broken" / LOCK).unlink()
    return {"scenario": scenario, "done": place / "done", "broken": place / "broken"}


def content(folder: Path) -> dict[str, bytes]:
    """Files and folders, but for what readers of a database beside it make."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
        if not path.name.endswith(("-shm", "-wal", ".sqlite.lock"))
    }


def one_sentence(told: dict[str, Any], codes: tuple[int, ...] = (1, 2)) -> str:
    """What a command said that met a fault."""
    told_at_all = told["err"].splitlines()
    said = [line for line in told_at_all if line.startswith(("error:", "failed:"))]
    said = said or [line for line in told_at_all if line.startswith(("finding", "incomplete"))][:1]
    assert "Traceback" not in told["err"] + told["out"], told["err"]
    assert told["code"] in codes, told
    assert len(said) == 1, told["err"]
    assert "%" not in told["out"], told["out"]
    return said[0]


def removed(path: Path) -> None:
    path.unlink()
    for more in ("-wal", "-shm"):
        path.with_name(path.name + more).unlink(missing_ok=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [
    ("done", LEDGER, removed, ("verify", "export", "twin")),
    ("done", LEDGER, cut, ("watch", "verify", "export")),
    ("done", METADATA, replaced_by_a_folder, ("report --json", "verify", "qoais")),
    ("done", SCENARIO, cut, ("export", "twin")),
    ("done", MODEL, cut, ("report", "qoais")),
    ("done", "slots.parquet", cut, ("report", "verify", "qoais")),
    ("broken", LEDGER, removed, ("resume", "verify")),
    ("broken", CHECKPOINT, cut, ("resume",)),
    ("broken", PROGRESS, replaced_by_a_folder, ("resume", "watch")),
]


def test_what_a_run_folder_lost_is_named_by_every_command_that_needs_it(
    attempt: Attempt, made: dict[str, Path], tmp_path: Path
) -> None:
    tried = 0
    for run, name, damage, commands in DAMAGE:
        folder = tmp_path / f"{tried}"
        shutil.copytree(made[run], folder / "run")
        damage(folder / "run" / name)
        before = content(folder)
        for command in commands:
            arguments = [text.format(run=folder / "run", place=folder) for text in READERS[command]]
            said = one_sentence(attempt(*arguments), (1, 2, 3))
            assert name in said or str(folder) in said or said.startswith("finding"), said
            assert content(folder) == before, f"{command} changed something"
            tried += 1
    print(f"{tried} commands on damaged run folders: one sentence each, nothing changed")


@needs_root
def test_without_rights_or_on_a_disk_that_takes_nothing_commands_say_so(
    attempt: Attempt, made: dict[str, Path], tmp_path: Path
) -> None:
    tried = 0
    for run, name, commands in (
        ("done", LEDGER, ("watch", "verify", "export")),
        ("done", METADATA, ("report", "verify")),
        ("done", MODEL, ("report",)),
        ("broken", LEDGER, ("resume", "verify")),
        ("broken", CHECKPOINT, ("resume",)),
    ):
        for command in commands:
            folder = tmp_path / f"{tried}"
            shutil.copytree(made[run], folder / "run")
            arguments = [text.format(run=folder / "run", place=folder) for text in READERS[command]]
            told = attempt(*arguments, fault="no_rights", path=str(folder / "run" / name))
            said = one_sentence(told)
            assert f"{name}: Permission denied" in said, said
            tried += 1
    for fault, options in (("read_only", {}), ("no_rights", {"mode": 0o555})):
        for run, command in (("done", "report"), ("broken", "resume")):
            folder = tmp_path / f"{tried}"
            shutil.copytree(made[run], folder / "run", ignore=shutil.ignore_patterns("*.lock"))
            before = content(folder)
            key = "folder" if fault == "read_only" else "path"
            arguments = [text.format(run=folder / "run", place=folder) for text in READERS[command]]
            one_sentence(attempt(*arguments, fault=fault, **{key: str(folder / "run")}, **options))
            assert content(folder) == before
            tried += 1
    # What only reads does so on an archive that takes nothing.
    verified = attempt("ledger", "verify", made["done"], fault="read_only", folder=str(made["done"]))
    assert verified["code"] == 0, verified["err"]
    print(f"{tried} commands without rights: one sentence each")


@needs_root
def test_a_full_disk_leaves_no_half_of_a_file(
    attempt: Attempt, made: dict[str, Path], tmp_path: Path
) -> None:
    small, tried = tmp_path / "small", 0
    small.mkdir()
    for size, arguments, holds in (
        (16_384, ["run", made["scenario"], "-o", small / "run"], ""),
        (200_000, ["run", made["scenario"], "-o", small / "run", "--json"], ""),
        (1_800_000, ["run", made["scenario"], "-o", small / "run"], ""),
        (
            300_000,
            ["compare", made["scenario"], "--policies", "grid,local", "--seeds", "1", "-o", small / "c"],
            "",
        ),
        (0, ["report", small / "done"], "done"),
        (100_000, ["report", small / "done"], "done"),
        (0, ["resume", small / "broken"], "broken"),
        (0, ["ledger", "export", small / "done", "--signed", "-o", small / "o.jsonl"], "done"),
    ):
        options = {"folder": str(small), "size": max(size, 4096), "holds": str(made[holds]) if holds else ""}
        told = attempt(*arguments, fault="small_disk", look=small, **options)
        said = one_sentence(told)
        assert "the disk is full" in said or "No space left" in said, said
        assert [path for path in told["files"] if ".part" in path or ".detabed-" in path] == []
        whole = (f"run/{DONE}", f"c/{DONE}", "o.jsonl")
        assert [path for path in told["files"] if path.endswith(whole)] == []
        if "--json" in arguments:
            assert "the disk is full" in json.loads(told["out"])["failed"]
        tried += 1
    print(f"{tried} commands on a full disk: one sentence each, no half of a file")


def test_what_is_taken_away_while_a_run_goes_on_fails_it(
    attempt: Attempt, made: dict[str, Path], tmp_path: Path
) -> None:
    for number, what in enumerate((LEDGER, PROGRESS, "")):
        folder = tmp_path / f"{number}"
        arguments = ["run", made["scenario"], "-o", folder]
        said = one_sentence(
            attempt(*arguments, fault="meanwhile", remove=str(folder / what), after_slots=1), (1,)
        )
        assert str(folder) in said
        assert not (folder / DONE).exists()
        assert not what or (folder / FAILED).read_text().strip() in said
    print("ledger, progress and folder removed during a run: exit code 1, no figure")


def test_a_lock_that_is_held_is_named(attempt: Attempt, made: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made["broken"], run)
    with (run / LOCK).open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = content(run)
        assert "process 4711 runs in this folder; wait" in one_sentence(attempt("resume", run), (2,))
        assert content(run) == before


def test_limits_and_surroundings_of_the_process_are_named(
    attempt: Attempt, made: dict[str, Path], tmp_path: Path
) -> None:
    run = ["run", made["scenario"], "--no-report", "-o"]
    faults: list[tuple[str, dict[str, Any], str]] = [
        ("limited", {"what": "RLIMIT_FSIZE", "most": 2_000}, "ulimit -f"),
        ("limited", {"what": "RLIMIT_FSIZE", "most": 60_000}, "look at its disk"),
        ("limited", {"what": "RLIMIT_NOFILE", "most": 12}, "ledger"),
        ("closed_ears", {"number": 1}, "the disk is full"),
    ]
    for number, (fault, options, word) in enumerate(faults):
        folder = tmp_path / f"{number}"
        assert word in one_sentence(attempt(*run, folder, fault=fault, **options), (1,))
    (tmp_path / "here").mkdir()
    told = attempt("list", "policies", fault="folder_gone", folder=str(tmp_path / "here"))
    assert "removed or renamed" in one_sentence(told, (1,))
    assert attempt("list", "policies", fault="seven_bits")["code"] == 0
    told = attempt("infer", "127.0.0.1:1", "--count", "1")
    assert "UNAVAILABLE" in one_sentence(told, (1,))
