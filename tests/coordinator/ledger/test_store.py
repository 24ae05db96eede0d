"""The ledger file: sums of zero, unique keys, immutability, durability."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import (
    Entry,
    KeyConflictError,
    Kind,
    Ledger,
    LedgerError,
    LedgerLockedError,
    Posting,
    Unit,
    read_entries,
    verify,
)


def entry(key: str, amount: int = 5, **body: Any) -> Entry:
    postings = (Posting("a", Unit.MICROJOULES, amount), Posting("b", Unit.MICROJOULES, -amount))
    return Entry(Kind.OPENING, key, {"amount": amount, **body}, postings, 0, "n00")


def test_repeat_counts_once_and_other_content_is_an_alarm(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l", "run") as ledger:
        assert ledger.write([entry("k")]) == 1
        assert ledger.write([entry("k")]) == 0
        with pytest.raises(KeyConflictError, match="other content"):
            ledger.write([entry("fresh"), entry("k", 6)])
        assert ledger.digest("fresh") is None  # all or nothing
        stored = list(ledger.entries())
    assert [s.entry.key for s in stored if s.entry.kind is not Kind.ALARM] == ["k"]
    (alarm,) = [s.entry for s in stored if s.entry.kind is Kind.ALARM]
    assert alarm.body["key"] == "k"
    assert '"amount":6' in alarm.body["offered_body"]
    assert stored[0].entry.body == {"amount": 5}


@pytest.mark.parametrize("table", ["entries", "postings", "meta"])
@pytest.mark.parametrize("verb", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_database_forbids_change(tmp_path: Path, table: str, verb: str) -> None:
    with Ledger(tmp_path / "l", "run") as ledger:
        ledger.write([entry("k")])
    column = {"entries": "body", "postings": "account", "meta": "value"}[table]
    with (
        sqlite3.connect(tmp_path / "l") as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(verb.format(table, column))


def test_digest_knows_what_is_queued_and_what_is_stored(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l", "run") as ledger:
        future = ledger.append([entry("k")])
        assert ledger.digest("k") == entry("k").digest
        future.result()
        assert ledger.digest("k") == entry("k").digest
        assert ledger.digest("other") is None


def test_answered_appends_are_in_the_file_and_in_order(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l", "run") as ledger:
        futures: list[Any] = []
        threads = [
            threading.Thread(
                target=lambda i=i: futures.append(ledger.append([entry(f"{i}/{j}") for j in range(3)]))
            )
            for i in range(40)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for future in futures:
            assert future.result() == 3
            # A second reader sees the acknowledged entries in the file.
        keys = [stored.entry.key for stored in read_entries(tmp_path / "l")]
    assert len(keys) == 120
    assert all(
        keys[n : n + 3] == [f"{keys[n].split('/')[0]}/{j}" for j in range(3)] for n in range(0, 120, 3)
    )
    assert verify_chain_only(tmp_path / "l")


def verify_chain_only(path: Path) -> bool:
    codes = {finding.code for finding in verify(path).findings}
    return not codes & {"chain", "content", "sums", "order", "keys", "file"}


def test_file_of_another_run_or_of_something_else_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "l", "run").close()
    with pytest.raises(LedgerError, match="run_id 'run'"):
        Ledger(tmp_path / "l", "other")
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 100)
    for path in (tmp_path / "text", tmp_path / "absent"):
        with pytest.raises(LedgerError):
            verify(path)
    with pytest.raises((LedgerError, sqlite3.DatabaseError)):
        Ledger(tmp_path / "text", "run")


def test_one_writer_at_a_time_and_the_lock_ends_with_it(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "l", "run")
    with pytest.raises(LedgerLockedError):
        Ledger(tmp_path / "l", "run")
    first.close()
    Ledger(tmp_path / "l", "run").close()


def test_every_commit_is_synced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FULL and write-ahead log, on the connection that writes: with NORMAL a power cut loses what was acknowledged.
    Builds of SQLite differ in what they begin with; here it is OFF."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def watch(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        opened[-1].execute("PRAGMA synchronous = OFF")
        return opened[-1]

    monkeypatch.setattr("coordinator.ledger.store.sqlite3.connect", watch)
    with Ledger(tmp_path / "ledger.sqlite", "run"):
        settings = [
            tuple(
                connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
            )
            for connection in opened
        ]
    assert settings == [(2, "wal")] * len(settings)
    assert settings


def test_a_failed_disk_stops_the_ledger(tmp_path: Path) -> None:
    """What memory holds is ahead of the disk then; nothing more is acknowledged."""
    ledger = Ledger(tmp_path / "l", "run")
    ledger.write([entry("k")])
    ledger._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.write([entry("k2")])
    with pytest.raises(LedgerError, match="failed before"):
        ledger.write([entry("k3")])
    ledger.close()
    assert [stored.entry.key for stored in read_entries(tmp_path / "l")] == ["k"]
