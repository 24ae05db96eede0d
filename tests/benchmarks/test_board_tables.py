"""Comparison of runs on boards: every difference is counted, a lost slot is left out, a silent gap is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import _board_tables as tables
from coordinator.ledger import Entry, Ledger
from coordinator.ledger.entry import Kind

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, **found: pd.DataFrame) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for table, frame in found.items():
            frame.to_parquet(folder / f"{table}.parquet")
        return folder

    return written


def slots(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "slot": [0, 0, 1, 1],
            "node_id": ["a", "b", "a", "b"],
            "alive": True,
            "metered": [True, True, True, False],
            "late": [False, False, False, None],
            "demand_j": [1.0, 2.0, 3.0, None],
            "unserved_batches": [0, 1, 0, None],
        }
    )
    for place, value in changes.items():
        column, _, row = place.rpartition("_at_")
        frame.loc[int(row), column] = value
    return frame


def test_a_null_equals_a_null_and_any_other_difference_counts_on_both_sides(write: Write) -> None:
    one, same = write("one", slots=slots()), write("same", slots=slots())
    other = write("other", slots=slots(demand_j_at_3=0.0))
    assert tables.rows_unlike(one, same, ("slots",)) == 0
    assert tables.rows_unlike(one, other, ("slots",)) == 2
    assert tables.rows_unlike(one, other, ("slots",), but_for=[1]) == 0


def test_a_row_that_is_there_twice_is_not_equal_to_the_one(write: Write) -> None:
    twice = pd.concat([slots(), slots().iloc[:1]])
    assert tables.rows_unlike(write("once", slots=slots()), write("twice", slots=twice), ("slots",)) == 1


def test_epochs_of_decisions_do_not_count(write: Write) -> None:
    one = write("one", decisions=pd.DataFrame({"slot": [0], "status": ["optimal"], "epoch": [1]}))
    two = write("two", decisions=pd.DataFrame({"slot": [0], "status": ["optimal"], "epoch": [2]}))
    assert tables.rows_unlike(one, two, ("decisions",)) == 0


def test_batches_that_moved_and_batches_that_nobody_did(write: Write) -> None:
    flows = pd.DataFrame({"owner": ["a", "a"], "executor": ["a", "b"], "batches": [5, 3]})
    folder = write("run", slots=slots(), batch_flows=flows)
    assert tables.moved_between_nodes(folder) == 3
    assert tables.unserved(folder) == 1


def booked(folder: Path, *entries: Entry) -> Path:
    path = folder / "ledger.sqlite"
    with Ledger(path, "run") as ledger:
        ledger.write(entries)
    return path


def ends(*numbers: int) -> list[Entry]:
    return [Entry(Kind.SLOT_END, f"end/{k}", {}, slot=k) for k in numbers]


def test_a_gap_that_the_ledger_names_is_explicit_and_any_other_is_not(tmp_path: Path) -> None:
    gap = Entry(Kind.GAP, "gap/1/b", {}, slot=1, node_id="b")
    named = booked(tmp_path / "named", *ends(0, 1), gap)
    silent = booked(tmp_path / "silent", *ends(0, 1))
    assert tables.silent_gaps(slots(), named) == 0
    assert tables.silent_gaps(slots(), silent) == 1
    assert tables.silent_gaps(slots(alive_at_3=False), silent) == 0, "it had no part in the slot"
    assert tables.silent_gaps(slots(demand_j_at_3=0.0), named) == 1, "missing is not zero"
    assert tables.silent_gaps(slots().iloc[:3], named) == 1
    came = {"metered_at_3": True, "demand_j_at_3": 4.0}
    assert tables.silent_gaps(slots(**came), named) == 1, "a gap that has a reading"
    assert tables.silent_gaps(slots(**came, late_at_3=True), named) == 0, "which came after the slot's end"
    assert tables.silent_gaps(slots(), booked(tmp_path / "open", *ends(0))) == 0, "slot 1 is not ended"


def test_rows_are_told_by_key_and_content_and_slots_by_kind_and_node(tmp_path: Path) -> None:
    path = booked(tmp_path, *ends(0, 3), Entry(Kind.USAGE, "u", {"a": 1}, slot=2, node_id="n0"))
    assert {key for key, _ in tables.rows_of(path)} == {"end/0", "end/3", "u"}
    assert tables.last_slot(path, Kind.SLOT_END) == 3
    assert tables.last_slot(path, Kind.USAGE, "n0") == 2
    assert tables.last_slot(path, Kind.USAGE, "n1") == -1
