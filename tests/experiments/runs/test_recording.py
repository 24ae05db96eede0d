"""What a run makes durable after a slot, and in which order it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.adapters.flower_server import Booked, RunRecord, SlotOutcome
from coordinator.adapters.flower_strategy import Replies
from experiments.run_folder.checkpoint import read_lines, read_state
from experiments.run_folder.files import CHECKPOINT, DONE, SCENARIO
from experiments.runs import recording
from experiments.runs.recording import Recording
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.terms import Stage


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


def booked(slot: int) -> Booked:
    plan = SlotPlan(1, slot, (), (), "rule", None, 0.0)
    summary = SlotSummary(slot, 0, 0, 0, 0, 0, 0, 0, 0, (), ())
    replies = Replies((), (), {}, (), (), ())
    return Booked(SlotOutcome(slot, Stage.APPLICATION, None, plan, replies, summary), RunRecord(), {}, None)


def test_a_slot_that_is_settled_is_on_disk(folder: Path) -> None:
    with Recording(folder) as run:
        run.booked(booked(3))
        run.settled()
        state = read_state(folder)
    assert state is not None
    assert (state["slot"], [line["slot"] for line in read_lines(folder)]) == (4, [3])


def test_no_slot_begins_after_one_that_the_disk_did_not_take(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(recording, "write_durably", full)
    with Recording(folder) as run:
        run.booked(booked(3))
        with pytest.raises(OSError, match="No space left"):
            run.settled()
