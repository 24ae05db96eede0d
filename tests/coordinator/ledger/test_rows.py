"""Entries copied row by row into another ledger are the same ledger."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import pytest

from coordinator.ledger import LedgerError, head_of, read_rows, verify, write_rows
from coordinator.ledger.store import format_of


@pytest.fixture(params=["today", "micrograms"])
def original(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A ledger of the present format, and one of the first."""
    if request.param == "today":
        return path
    old = tmp_path / "old.sqlite"
    text = gzip.decompress(Path(__file__).with_name("ledger-format-1.sql.gz").read_bytes()).decode()
    with sqlite3.connect(old) as connection:
        connection.executescript(text)
    return old


def test_a_copy_has_the_same_head_and_the_same_verdict(original: Path, tmp_path: Path) -> None:
    entries, head = head_of(original)
    copy, before = tmp_path / "copied.sqlite", verify(original)
    write_rows(copy, before.run_id, format_of(original).name, read_rows(original, entries))
    after = verify(copy)
    assert (after.entries, after.head) == (entries, head)
    assert {**after.to_json(), "path": ""} == {**before.to_json(), "path": ""}
    assert list(read_rows(copy, entries)) == list(read_rows(original, entries))


def test_a_copy_of_the_first_entries_ends_there(path: Path) -> None:
    assert [row.id for row in read_rows(path, 3)] == [1, 2, 3]


def test_a_format_that_nobody_wrote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="'another'; this version reads"):
        write_rows(tmp_path / "new.sqlite", "run", "another", ())
