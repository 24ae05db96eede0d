"""Fault 5: two runs into one output folder mixed their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.errors import UsageError
from experiments.run_folder.files import LEDGER, LOCK, SCENARIO
from experiments.run_folder.lock import new_run_lock
from experiments.runs.run import execute
from experiments.runs.start import new_folder

NOBODY: Any = None
"""Neither scenario nor fleet is looked at before the lock is held."""


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_writes_nothing_where_the_first_runs_or_has_run(tmp_path: Path) -> None:
    chosen, also = new_folder(tmp_path / "run", "x"), new_folder(tmp_path / "run", "y")
    assert chosen == also, "both find it empty"
    chosen.mkdir()
    with new_run_lock(chosen):
        (chosen / SCENARIO).write_text("of the first")
        before = files(chosen)
        with pytest.raises(UsageError, match="runs in this folder"):
            execute(NOBODY, also, NOBODY)
        assert files(chosen) == before
    (chosen / LEDGER).write_text("of the first")
    before = files(chosen)
    with pytest.raises(UsageError, match="another run was written there meanwhile; give another --output"):
        execute(NOBODY, also, NOBODY)
    assert files(chosen) == before
    assert LOCK not in before
