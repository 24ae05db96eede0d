"""Entries that are new since the last look, beside a writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.ledger import Entry, Kind, Ledger, LedgerError, Posting, Unit
from coordinator.ledger.feed import Feed


def entry(number: int) -> Entry:
    postings = (Posting("a", Unit.MICROJOULES, number), Posting("b", Unit.MICROJOULES, -number))
    return Entry(Kind.GAP, f"gap/{number}", {"n": number}, postings, number, "n0")


def test_every_entry_comes_once_in_order_and_with_its_postings(tmp_path: Path) -> None:
    feed = Feed(tmp_path / "ledger.sqlite")
    assert feed.new() == []
    with Ledger(tmp_path / "ledger.sqlite", "run") as ledger:
        assert feed.new() == []
        ledger.write([entry(1), entry(2)])
        assert [stored.entry.slot for stored in feed.new()] == [1, 2]
        assert feed.new() == []
        ledger.write([entry(3)])
        (found,) = feed.new()
    assert found.entry == entry(3)
    assert [stored.entry.slot for stored in Feed(tmp_path / "ledger.sqlite").new()] == [1, 2, 3]


def test_an_empty_file_has_nothing_yet_and_another_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.touch()
    assert Feed(path).new() == []
    path.write_text("no database at all, but text")
    with pytest.raises(LedgerError, match="is not a ledger"):
        Feed(path).new()
