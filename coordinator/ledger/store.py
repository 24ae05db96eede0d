"""The SQLite file: one writer thread, group commit, an append answered only after COMMIT reached the disk."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from carbon_data.machine_faults import database_fault
from coordinator.ledger.entry import GENESIS, Entry, Kind, LedgerError, Posting, Unit, chain_hash
from coordinator.ledger.formats import CURRENT, READABLE, Format

T = TypeVar("T")
GROUP_LIMIT = 512
"""Most submissions written in one commit."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    slot INTEGER,
    node_id TEXT NOT NULL,
    body TEXT NOT NULL,
    digest TEXT NOT NULL,
    chain TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS postings (
    entry_id INTEGER NOT NULL REFERENCES entries (id),
    line INTEGER NOT NULL,
    account TEXT NOT NULL,
    unit TEXT NOT NULL CHECK (unit IN ('uJ', 'pg')),
    amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer'),
    PRIMARY KEY (entry_id, line)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_by_kind ON entries (kind, slot);
"""
_COLUMN_SCHEMA = """
CREATE TABLE IF NOT EXISTS columns (
    entry_id INTEGER PRIMARY KEY REFERENCES entries (id),
    data BLOB NOT NULL
);
"""
_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS {table}_{what} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: {verb} on {table} refused'); END;
"""


class KeyConflictError(LedgerError):
    """A key came again with other content. The alarm is already in the ledger; the first content stands."""


class LedgerEmptyError(LedgerError):
    """A file in which nothing was ever booked."""


class LedgerLockedError(LedgerError):
    """Another process holds this ledger."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it lies in the file."""

    id: int
    entry: Entry
    digest: str
    chain: str


@dataclass(slots=True)
class _Submission:
    entries: tuple[Entry, ...]
    done: Future[int]


class Ledger:
    """The ledger of run ``run_id``, open for writing. A lock file keeps other processes off. ``stored_as``: CURRENT, or
    COLUMNS for entries with columns.

    Raises LedgerLockedError, or LedgerError when the file belongs to another run or format.
    """

    def __init__(self, path: Path, run_id: str, stored_as: Format = CURRENT) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_fd = _take_lock(self.path)
        try:
            self._writer = _connect(self.path)
            _prepare(self._writer, run_id, self.path, stored_as)
            self._reader = _connect(self.path)
        except sqlite3.Error as error:
            os.close(self._lock_fd)
            raise _disk_error(error, self.path) from error
        except BaseException:
            os.close(self._lock_fd)
            raise
        row = self._writer.execute("SELECT id, chain FROM entries ORDER BY id DESC LIMIT 1").fetchone()
        self._last_id: int = row[0] if row else 0
        self._head: str = row[1] if row else GENESIS
        self._pending: dict[str, str] = {}
        self._guard = threading.Lock()
        self._queue: queue.Queue[_Submission | None] = queue.Queue()
        self._failure: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._write_loop, name="ledger-writer", daemon=True)
        self._thread.start()

    def append(self, entries: Sequence[Entry]) -> Future[int]:
        """Queue ``entries`` as one atomic submission; the future holds how many were new, once on disk.

        Submissions commit in the order they came, so a future also confirms that everything before it is durable.
        The future raises KeyConflictError (alarm recorded, nothing else written) or the disk's own error,
        after which the ledger takes nothing more.
        """
        if self._closed:
            raise LedgerError(f"ledger {self.path.name} is closed")
        done: Future[int] = Future()
        done.set_running_or_notify_cancel()  # an entry that the books have taken up cannot be cancelled
        with self._guard:
            if self._failure is not None:
                done.set_exception(LedgerError(f"ledger {self.path.name} failed before: {self._failure}"))
                return done
            for entry in entries:
                self._pending.setdefault(entry.key, entry.digest)
            self._queue.put(_Submission(tuple(entries), done))
        return done

    def write(self, entries: Sequence[Entry]) -> int:
        """``append`` and wait until it is durable."""
        return self.append(entries).result()

    def digest(self, key: str) -> str | None:
        """Content digest under ``key``, queued or committed; None when the key is new."""
        with self._guard:
            if key in self._pending:
                return self._pending[key]
            row = self._reader.execute("SELECT digest FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def entries(self) -> Iterator[StoredEntry]:
        """All committed entries in order."""
        return read_entries(self.path)

    @property
    def head(self) -> tuple[int, str]:
        """Number of entries and the last chain value: an anchor that reveals a shortened file."""
        return self._last_id, self._head

    @property
    def failure(self) -> BaseException | None:
        """Why it takes nothing more; None while it does."""
        return self._failure

    def close(self) -> None:
        """Write what is queued, then close the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._writer.close()
        self._reader.close()
        os.close(self._lock_fd)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writer thread -------------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group = [first]
            stop = False
            while len(group) < GROUP_LIMIT:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    stop = True
                    break
                group.append(more)
            self._write_group(group)
            if stop:
                return

    def _write_group(self, group: list[_Submission]) -> None:
        head = (self._last_id, self._head)
        outcomes: list[int | KeyConflictError] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for submission in group:
                outcomes.append(self._insert_all(submission.entries))
            self._writer.execute("COMMIT")
        except BaseException as raised:
            error = _disk_error(raised, self.path) if isinstance(raised, sqlite3.Error) else raised
            # Memory is now ahead of the disk: later entries must not build on it, so the ledger stops
            # permanently.
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            self._last_id, self._head = head
            with self._guard:
                self._failure = error
            for submission in group:
                submission.done.set_exception(error)
            return
        with self._guard:
            for submission in group:
                for entry in submission.entries:
                    self._pending.pop(entry.key, None)
        for submission, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, KeyConflictError):
                submission.done.set_exception(outcome)
            else:
                submission.done.set_result(outcome)

    def _insert_all(self, entries: tuple[Entry, ...]) -> int | KeyConflictError:
        """All entries, or none and an alarm. Entries already there with the same content are left out."""
        last = (self._last_id, self._head)
        self._writer.execute("SAVEPOINT submission")
        try:
            self._insert(entries)
        except sqlite3.IntegrityError:  # a key that is there: which, and with what content?
            self._writer.execute("ROLLBACK TO submission")
            self._last_id, self._head = last
            inserted = self._insert_new(entries)
        else:
            inserted = len(entries)
        self._writer.execute("RELEASE submission")
        return inserted

    def _insert_new(self, entries: tuple[Entry, ...]) -> int | KeyConflictError:
        """Likewise of entries of which some are there already."""
        new: dict[str, Entry] = {}
        stored = self._stored_digests([entry.key for entry in entries])
        for entry in entries:
            known = new[entry.key].digest if entry.key in new else stored.get(entry.key)
            if known is None:
                new[entry.key] = entry
            elif known != entry.digest:
                alarm = conflict_alarm(entry, known)
                if not self._stored_digests([alarm.key]):
                    self._insert([alarm])
                return KeyConflictError(
                    f"key {entry.key} came again with other content (stored {known[:12]}, offered "
                    f"{entry.digest[:12]}); the first stands, the alarm is recorded"
                )
        self._insert(list(new.values()))
        return len(new)

    def _stored_digests(self, keys: Sequence[str]) -> dict[str, str]:
        """Of those keys that are there."""
        found: dict[str, str] = {}
        for some in _parts(keys):
            asked = f"SELECT key, digest FROM entries WHERE key IN ({', '.join('?' * len(some))})"
            found.update(self._writer.execute(asked, some).fetchall())
        return found

    def _insert(self, new: Sequence[Entry]) -> None:
        rows: list[tuple[object, ...]] = []
        postings: list[tuple[object, ...]] = []
        for entry in new:
            entry_id, digest = self._last_id + 1, entry.digest
            chain = chain_hash(self._head, entry_id, entry.key, digest)
            rows.append(
                (entry_id, str(entry.kind), entry.key, entry.slot, entry.node_id, entry.text, digest, chain)
            )
            postings += [
                (entry_id, line, p.account, str(p.unit), p.amount) for line, p in enumerate(entry.postings)
            ]
            self._last_id, self._head = entry_id, chain
        _insert_rows(self._writer, "entries (id, kind, key, slot, node_id, body, digest, chain)", rows)
        _insert_rows(self._writer, "postings (entry_id, line, account, unit, amount)", postings)
        blocks = [(row[0], entry.data) for row, entry in zip(rows, new, strict=True) if entry.data]
        _insert_rows(self._writer, "columns (entry_id, data)", blocks)


def _parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Values in parts of few sizes, the largest first: each size is a statement that SQLite keeps ready."""
    begin = 0
    for size in (64, 8, 1):
        while len(values) - begin >= size:
            yield values[begin : begin + size]
            begin += size


def _insert_rows(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Many rows a statement: the thread lets go of the interpreter at each one, and has to get it back."""
    for some in _parts(rows):
        one = f"({', '.join('?' * len(some[0]))})"
        connection.execute(
            f"INSERT INTO {table} VALUES {', '.join([one] * len(some))}",
            [value for row in some for value in row],
        )


def conflict_alarm(offered: Entry, stored_digest: str) -> Entry:
    """The alarm for a key that came again with other content. What was offered is kept, never booked."""
    return Entry(
        kind=Kind.ALARM,
        key=f"alarm/{offered.key}/{offered.digest[:16]}",
        body={
            "alarm": "key_conflict",
            "key": offered.key,
            "stored_digest": stored_digest,
            "offered_digest": offered.digest,
            "offered_kind": str(offered.kind),
            "offered_body": offered.text,
        },
        slot=offered.slot,
        node_id=offered.node_id,
    )


_DISK_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_LITTLE_BYTES = 65_536
"""Free space below which an I/O error of SQLite is that of a full disk (its shared-memory file has 32 KiB)."""


def _is_full(error: sqlite3.Error, path: Path) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    if code == sqlite3.SQLITE_FULL:
        return True
    return code in _DISK_CODES and shutil.disk_usage(path.parent).free < _LITTLE_BYTES


def _disk_error(error: sqlite3.Error, path: Path) -> LedgerError:
    """SQLite's failure as a sentence."""
    if _is_full(error, path):
        return LedgerError(f"the disk is full ({path}); make room, or give another --output")
    return LedgerError(f"{path} cannot be written: {database_fault(error) or error}")


def _unusable(error: sqlite3.Error, path: Path) -> LedgerError:
    """Why a file cannot be used as a ledger: the machine does not let it, or it is none."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) and (fault := database_fault(error)):
        return LedgerError(f"{path} cannot be used: {fault}")
    return LedgerError(
        f"{path} is not a ledger of this project: {error}; restore it from a copy, or choose another run folder"
    )


def open_read_only(path: Path) -> tuple[sqlite3.Connection, Format]:
    """A connection that cannot write, and the file's format. Raises LedgerError when there is no such ledger, OSError
    when it cannot be opened."""
    if not Path(path).is_file():
        raise LedgerError(f"{path} is no file; a finished or running run has its ledger in ledger.sqlite")
    if Path(path).stat().st_size == 0:
        raise LedgerEmptyError(f"{path} is empty: nothing was booked, or it was cut to nothing")
    with Path(path).open("rb"):
        pass  # the operating system says why it cannot be read; SQLite only that
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(_address(path), uri=True, isolation_level=None)
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            connection.close()
            raise LedgerEmptyError(f"{path} has no tables: nothing was booked")
        row = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
    except sqlite3.DatabaseError as error:
        if connection is not None:
            connection.close()
        raise _unusable(error, path) from error
    if row is None:
        connection.close()
        raise LedgerEmptyError(f"{path} is being made, or has lost its format: nothing can be read of it")
    if row[0] not in READABLE:
        connection.close()
        raise LedgerError(
            f"{path} has ledger format {row[0]}; this version reads {', '.join(sorted(READABLE))}: read "
            "it with the version that wrote it"
        )
    return connection, READABLE[row[0]]


def _address(path: Path) -> str:
    """URI for SQLite. In a folder without write permission SQLite cannot make the shared-memory file that readers of a
    ledger need; such a file is opened as immutable."""
    place = Path(path).absolute()
    archived = not os.access(place.parent, os.W_OK) and not place.with_name(f"{place.name}-wal").exists()
    return f"{place.as_uri()}?mode=ro{'&immutable=1' if archived else ''}"


def head_of(path: Path) -> tuple[int, str]:
    """Entries of a ledger file and the chain value of the last one. Raises LedgerError as ``open_read_only``."""
    connection, _ = open_read_only(path)
    with contextlib.closing(connection):
        row = connection.execute("SELECT id, chain FROM entries ORDER BY id DESC LIMIT 1").fetchone()
    return (int(row[0]), str(row[1])) if row else (0, GENESIS)


def format_of(path: Path) -> Format:
    """Format of a ledger file. Raises LedgerError as ``open_read_only``."""
    connection, stored_as = open_read_only(path)
    connection.close()
    return stored_as


def read_entries(path: Path, after: int = 0) -> Iterator[StoredEntry]:
    """Committed entries of a ledger file in order, in today's units (nothing is checked: that is ``verify``); those
    whose number is greater than ``after``.

    Digest and chain are as stored; ``text`` of an entry is the stored document. Raises LedgerError as
    ``open_read_only``, and for an entry that cannot be understood.
    """
    connection, stored_as = open_read_only(path)
    with contextlib.closing(connection):
        try:
            yield from _entries(connection, stored_as, after)
        except sqlite3.DatabaseError as error:
            raise _unusable(error, path) from error
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"{path} is damaged: an entry cannot be understood ({error}); restore it from a copy, or run again"
            ) from error


def _entries(connection: sqlite3.Connection, stored_as: Format, after: int) -> Iterator[StoredEntry]:
    postings = connection.execute(
        "SELECT entry_id, account, unit, amount FROM postings WHERE entry_id > ? ORDER BY entry_id, line",
        (after,),
    )
    waiting = postings.fetchone()
    rows = connection.execute(
        "SELECT id, kind, key, slot, node_id, body, digest, chain FROM entries WHERE id > ? ORDER BY id",
        (after,),
    )
    for entry_id, kind, key, slot, node_id, body, digest, chain in rows:
        own: list[Posting] = []
        while waiting is not None and waiting[0] <= entry_id:
            if waiting[0] == entry_id:
                own.append(stored_as.posting(waiting[1], waiting[2], waiting[3]))
            waiting = postings.fetchone()
        document = stored_as.document(json.loads(body))
        block = block_of(connection, entry_id, stored_as)
        entry = Entry(Kind(kind), key, document, tuple(own), slot, node_id, text=body, data=block)
        yield StoredEntry(entry_id, entry, digest, chain)


def tables_of(stored_as: Format) -> tuple[str, ...]:
    """Tables of a file, none of which may be changed or shortened."""
    return ("meta", "entries", "postings", *(["columns"] if stored_as.has_columns else []))


def block_of(connection: sqlite3.Connection, entry_id: int, stored_as: Format) -> bytes:
    """Block of columns of an entry; empty where it has none."""
    if not stored_as.has_columns:
        return b""
    row = connection.execute("SELECT data FROM columns WHERE entry_id = ?", (entry_id,)).fetchone()
    return b"" if row is None else bytes(row[0])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
    connection.execute("PRAGMA journal_mode = WAL")
    # FULL: the write-ahead log is synced at every COMMIT, so that an acknowledged entry outlives a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def new_file(path: Path, run_id: str, stored_as: Format) -> sqlite3.Connection:
    """A ledger file without entries, in any readable format, for a copy. Raises LedgerError and sqlite3.Error."""
    connection = _connect(path)
    _prepare(connection, run_id, path, stored_as)
    return connection


def _prepare(connection: sqlite3.Connection, run_id: str, path: Path, stored_as: Format) -> None:
    schema = _SCHEMA.replace(f"'{CURRENT.emissions_unit}'", f"'{stored_as.emissions_unit}'")
    try:
        connection.executescript(schema + (_COLUMN_SCHEMA if stored_as.has_columns else ""))
    except sqlite3.DatabaseError as error:
        if _is_full(error, path):
            raise
        raise _unusable(error, path) from error
    for table in tables_of(stored_as):
        for verb in ("UPDATE", "DELETE"):
            connection.execute(_TRIGGER.format(table=table, verb=verb, what=verb.lower()))
    for name, value in (("format", stored_as.name), ("run_id", run_id)):
        connection.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, value))
        stored = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0]
        if stored != value:
            raise LedgerError(
                f"{path} has {name} {stored!r}, wanted {value!r}; use another folder, one per run"
            )


def _take_lock(path: Path) -> int:
    """Lock file beside the ledger; the kernel lets go of it when the process ends, however it ends."""
    lock_path = path.with_name(path.name + ".lock")
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LedgerLockedError(
            f"{path} is held by another coordinator; stop that one first, or choose another run folder"
        ) from error
    return descriptor


def totals(entries: Iterable[Entry]) -> dict[tuple[str, Unit], int]:
    """Balance of every account over ``entries``."""
    balances: dict[tuple[str, Unit], int] = {}
    for entry in entries:
        for posting in entry.postings:
            key = (posting.account, posting.unit)
            balances[key] = balances.get(key, 0) + posting.amount
    return balances
