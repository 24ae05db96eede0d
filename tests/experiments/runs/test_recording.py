"""What a run makes durable after a slot, and in which order it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.run_folder.checkpoint import read_state
from experiments.run_folder.files import CHECKPOINT, DONE, SCENARIO
from experiments.runs import recording
from experiments.runs.recording import Recording


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SCENARIO).write_text('name = "small"\n')
    return tmp_path


def test_from_its_beginning_a_run_says_what_it_is(folder: Path) -> None:
    Recording(folder).begin()
    state = read_state(folder)
    assert state is not None
    assert (state["slot"], state["memories"], state["strategy"], state["not_kept"]) == (0, {}, None, None)


def test_all_files_are_on_disk_before_the_checkpoint_goes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Recording(folder)
    run.begin()
    (folder / "slots.parquet").write_text("rows")
    synced = []

    def sync(path: Path) -> None:
        assert (folder / CHECKPOINT).exists()
        assert not (folder / DONE).exists()
        synced.append(path.name)

    monkeypatch.setattr(recording, "sync", sync)
    run.over()
    assert {"slots.parquet", SCENARIO} <= set(synced)
    assert sorted(path.name for path in folder.iterdir()) == [DONE, SCENARIO, "slots.parquet"]
