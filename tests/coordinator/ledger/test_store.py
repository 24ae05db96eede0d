"""The ledger file: sums of zero, unique keys, immutability, durability."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace
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
    store,
    verify,
)
from coordinator.ledger.entry import GENESIS, chain_hash
from coordinator.ledger.store import totals


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


def test_a_conflict_is_kept_whole_and_once(tmp_path: Path) -> None:
    first, other = entry("k"), entry("k", 6)
    with Ledger(tmp_path / "l", "run") as ledger:
        ledger.write([first])
        for _ in range(2):
            with pytest.raises(KeyConflictError) as caught:
                ledger.write([entry("fresh"), other, entry("later")])
            assert str(caught.value) == (
                f"key k came again with other content (stored {first.digest[:12]}, offered {other.digest[:12]}); "
                "the first stands, the alarm is recorded"
            )
        with pytest.raises(KeyConflictError):  # two of one submission that differ
            ledger.write([entry("twice", 1), entry("twice", 2)])
        assert ledger.write([entry("twice", 3), entry("twice", 3), entry("k"), entry("new")]) == 2
        stored = [each.entry for each in ledger.entries()]
        assert ledger.head == (5, list(ledger.entries())[-1].chain)
    assert [each.key for each in stored] == [
        "k",
        f"alarm/k/{other.digest[:16]}",
        f"alarm/twice/{entry('twice', 2).digest[:16]}",
        "twice",
        "new",
    ]
    alarm = stored[1]
    assert (alarm.kind, alarm.slot, alarm.node_id, alarm.postings) == (Kind.ALARM, 0, "n00", ())
    assert alarm.body == {
        "alarm": "key_conflict",
        "key": "k",
        "stored_digest": first.digest,
        "offered_digest": other.digest,
        "offered_kind": "opening",
        "offered_body": other.text,
    }
    assert stored[2].body["stored_digest"] == entry("twice", 1).digest


def test_entries_are_read_as_they_were_written(tmp_path: Path) -> None:
    silent = Entry(Kind.ALARM, "silent", {"alarm": "x"}, (), None, "")
    many = Entry(
        Kind.SLOT_END,
        "many",
        {"a": [1, 2]},
        tuple(Posting(f"c{i}", Unit.PICOGRAMS, amount) for i, amount in enumerate((7, -5, -2))),
        4,
        "n01",
    )
    written = [entry("k"), silent, many, entry("last", 9)]
    with Ledger(tmp_path / "l", "run") as ledger:
        assert ledger.write(written) == 4
        assert ledger.write([]) == 0
        assert (tmp_path / "l.lock").is_file()
        assert ledger.failure is None
    found = list(read_entries(tmp_path / "l"))
    assert [each.id for each in found] == [1, 2, 3, 4]
    head = GENESIS
    for each, wanted in zip(found, written, strict=True):
        got = each.entry
        assert (got.kind, got.key, got.body, got.slot, got.node_id) == (
            *(wanted.kind, wanted.key, wanted.body),
            *(wanted.slot, wanted.node_id),
        )
        assert (got.postings, got.text, got.data) == (wanted.postings, wanted.text, b"")
        assert each.digest == wanted.digest
        head = chain_hash(head, each.id, wanted.key, wanted.digest)
        assert each.chain == head
    assert totals(written) == totals(each.entry for each in found)
    again = Ledger(tmp_path / "l", "run")
    assert again.head == (4, head)
    again.close()
    again.close()
    with pytest.raises(LedgerError, match="ledger l is closed"):
        again.append([entry("z")])


def test_balances_add_up_by_account_and_unit() -> None:
    mixed = Entry(
        Kind.SLOT_END,
        "m",
        {},
        (Posting("a", Unit.PICOGRAMS, 3), Posting("b", Unit.PICOGRAMS, -3)),
    )
    assert totals([entry("k"), entry("l", 7), mixed, entry("m", -1)]) == {
        ("a", Unit.MICROJOULES): 11,
        ("b", Unit.MICROJOULES): -11,
        ("a", Unit.PICOGRAMS): 3,
        ("b", Unit.PICOGRAMS): -3,
    }
    assert totals([]) == {}


@pytest.mark.parametrize(
    ("code", "free", "full"),
    [
        (sqlite3.SQLITE_FULL, 10**9, True),
        (sqlite3.SQLITE_IOERR, 65_535, True),
        (sqlite3.SQLITE_IOERR, 65_536, False),
        (sqlite3.SQLITE_IOERR | (3 << 8), 0, True),  # an extended code
        (sqlite3.SQLITE_CANTOPEN, 0, True),
        (sqlite3.SQLITE_LOCKED, 0, False),
        (None, 0, False),
    ],
)
def test_a_full_disk_is_told_from_a_broken_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int | None, free: int, full: bool
) -> None:
    asked: list[Path] = []

    def usage(folder: Path) -> Any:
        asked.append(folder)
        return SimpleNamespace(free=free)

    monkeypatch.setattr("coordinator.ledger.store.shutil.disk_usage", usage)
    error = sqlite3.OperationalError("disk I/O error")
    if code is not None:
        error.sqlite_errorcode = code
    path = tmp_path / "l"
    said = f"the disk is full ({path}); make room, or give another --output"
    found = str(store._disk_error(error, path))
    assert found == said if full else found.startswith(f"{path} cannot be written: disk I/O error")
    assert set(asked) <= {tmp_path}


def test_a_lock_says_who_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "l"
    with Ledger(path, "run"), pytest.raises(LedgerLockedError) as caught:
        Ledger(path, "run")
    assert str(caught.value) == (
        f"{path} is held by another coordinator; stop that one first, or choose another run folder"
    )
