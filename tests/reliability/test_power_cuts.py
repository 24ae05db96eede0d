"""Goal 2: after a power cut every acknowledged row is there, and no file is corrupt. The real writes and syncs
of ledger and outbox are recorded, and replayed up to a random moment, with unsynced sectors dropped at random."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.reliability.power.cuts import CutDisk
from tests.reliability.power.recorder import Recording
from tests.reliability.power.stores import ledger_faults, outbox_faults, record_ledger, record_outbox

FEW, MANY = 60, 5_000
STEPS = 600
"""More than fill the write-ahead log (1,000 pages), so that it is written back into the file and begins again."""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the recorder finds SQLite's functions in Linux' shared library"
)


@dataclass(frozen=True)
class Store:
    record: Callable[[Path, str, int], Recording]
    faults: Callable[[Path, Any, Any], list[str]]


STORES = {"ledger": Store(record_ledger, ledger_faults), "outbox": Store(record_outbox, outbox_faults)}


def cut_often(folder: Path, store: Store, mode: str, cuts: int) -> Counter[str]:
    """Cuts by kind of fault after ``cuts`` cuts of one recording."""
    work, after = folder / "work", folder / "after"
    work.mkdir()
    ops = store.record(work, mode, STEPS).ops
    marks = [op.mark for op in ops if op.kind == "mark"]
    draw = Random(f"{mode}/{cuts}")
    moments = sorted(draw.choices(range(1, len(ops) + 1), k=cuts))
    disk, taken, marked, found = CutDisk(), 0, 0, Counter[str]()
    for moment in moments:
        for op in ops[taken:moment]:
            disk.take(op)
            marked += op.kind == "mark"
        taken = moment
        after.mkdir()
        disk.cut(after, draw)
        upcoming = marks[marked] if marked < len(marks) else None
        faults = store.faults(after, disk.acknowledged, upcoming)
        if faults and not found:
            found[f"first, at {moment} of {len(ops)}: {faults[0]}"] = 1
        found.update({fault.partition(":")[0] for fault in faults})
        shutil.rmtree(after)
    return found


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("cuts", [FEW, pytest.param(MANY // 2, marks=pytest.mark.long)])
def test_goal_2_no_power_cut_loses_what_was_acknowledged(
    name: str, cuts: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = cut_often(tmp_path, STORES[name], "FULL", cuts)
    with capsys.disabled():
        print(f"\ngoal 2: {cuts} power cuts of the {name}: {found['lost']} lost, {found['corrupt']} corrupt")
    assert +found == Counter()


@pytest.mark.parametrize("name", STORES)
def test_goal_2_a_store_that_does_not_sync_every_commit_loses(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cuts above can fail: with synchronous = NORMAL most of them do."""
    found = cut_often(tmp_path, STORES[name], "NORMAL", FEW)
    with capsys.disabled():
        print(f"\ngoal 2: {FEW} power cuts of the {name} with NORMAL: {found['lost']} lost")
    assert found["lost"] > 0
    assert found["corrupt"] == 0
