"""One process runs in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.errors import UsageError
from experiments.run_folder.files import LOCK
from experiments.run_folder.lock import run_lock


def test_a_second_holder_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    with (
        run_lock(tmp_path),
        pytest.raises(UsageError, match=rf"process {os.getpid()} runs in this folder"),
        run_lock(tmp_path),
    ):
        raise AssertionError("two hold it")
    with run_lock(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("1234567890\n")
    with run_lock(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
