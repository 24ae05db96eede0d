"""How a run stands, from its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.live.watched import Standing, Watched
from experiments.run_folder.failed import mark_failed
from experiments.run_folder.files import COMPARING, DONE, LEDGER, LOCK, SCENARIO
from experiments.run_folder.lock import is_running, run_lock


def begun(folder: Path, finished: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in (SCENARIO, *names):
        shutil.copy(finished / name, folder / name)
    return folder


def test_standing_follows_the_folder(finished: Path, tmp_path: Path) -> None:
    watched = Watched(begun(tmp_path / "run", finished))
    assert watched.standing is Standing.BROKEN_OFF
    with run_lock(watched.folder):
        assert watched.standing is Standing.WAITING
        shutil.copy(finished / LEDGER, watched.run / LEDGER)
        assert watched.look()
        assert not watched.look()
        assert watched.standing is Standing.RUNNING
    mark_failed(watched.folder, "the disk is full")
    assert (watched.standing, watched.why_failed) == (Standing.FAILED, "the disk is full")
    (watched.folder / DONE).touch()
    assert watched.standing is Standing.FINISHED


def test_a_run_that_ends_while_it_is_looked_at_is_not_broken_off(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(folder: Path) -> bool:
        (folder / DONE).touch()
        return False

    watched = Watched(begun(tmp_path / "run", finished))
    monkeypatch.setattr("experiments.live.watched.is_running", ends)
    assert watched.standing is Standing.FINISHED


def test_a_lock_of_a_dead_process_or_of_another_with_its_number_does_not_count(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    (tmp_path / LOCK).write_text(done.stdout)
    assert not is_running(tmp_path)
    (tmp_path / LOCK).write_text(f"{os.getpid()}\n")
    assert is_running(tmp_path)
    os.utime(tmp_path / LOCK, (0, 0))
    assert not is_running(tmp_path)


def test_of_a_comparison_the_run_that_began_last_is_shown(finished: Path, tmp_path: Path) -> None:
    (tmp_path / COMPARING).write_text("{}")
    watched = Watched(tmp_path)
    assert not watched.look()
    first = begun(tmp_path / "local-s0", finished, LEDGER)
    os.utime(first / SCENARIO, (1, 1))
    assert watched.look()
    assert (watched.name, watched.picture.ended) == (f"{tmp_path.name}/local-s0", 8)
    begun(tmp_path / "deta-s0", finished)
    assert watched.look()
    assert (watched.name, watched.picture.ended) == (f"{tmp_path.name}/deta-s0", 0)


def test_accuracy_of_a_run_that_is_over_comes_from_its_table(finished: Path) -> None:
    watched = Watched(finished)
    watched.look()
    assert sorted(watched.picture.evaluations) == [1, 2, 3, 4, 7]


def test_what_is_no_run_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder; give that of a run"):
        Watched(tmp_path / "nothing")
    with pytest.raises(UsageError, match=r"has no scenario\.toml; give one of `detabed run`"):
        Watched(tmp_path)


def test_a_folder_that_is_damaged_or_gone_is_a_sentence(finished: Path, tmp_path: Path) -> None:
    run = begun(tmp_path / "run", finished, LEDGER)
    watched = Watched(run)
    (run / "rounds.parquet").write_bytes(b"no table")
    with pytest.raises(UsageError, match="cannot be read"):
        watched.look()
    (run / LEDGER).write_bytes(b"no database " * 1000)
    with pytest.raises(UsageError, match="ledger verify"):
        Watched(run).look()
    shutil.rmtree(run)
    with pytest.raises(UsageError, match="is gone"):
        watched.look()
