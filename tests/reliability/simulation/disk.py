"""Disks of the simulation: what was committed outlives its process; what was queued or half written does not.

The ledger and the outbox are the product's own, on SQLite in memory, without the writer's thread: the writer's
turn comes in virtual time.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from coordinator.ledger import store
from coordinator.ledger.entry import GENESIS, Entry
from coordinator.ledger.formats import CURRENT
from edge_node.adapters import sqlite_outbox
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from protos import codec
from protos.messages.stream import UpMessage
from tests.reliability.simulation.loop import Killed, VirtualLoop


class Disk:
    """One process's disk. ``on_write`` is called with True after and False before each commit, and may raise
    Killed."""

    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.on_write: Callable[[bool], None] = lambda after: None

    def close(self) -> None:
        self.database.close()


class _NoClose:
    """A process's connection: it ends with the process, the file stays."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def __enter__(self) -> Any:
        return self._database.__enter__()

    def __exit__(self, *error: Any) -> Any:
        return self._database.__exit__(*error)

    def close(self) -> None:
        pass


class LedgerDisk(Disk):
    """``committed``: every entry that is durable, in order."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.committed: list[Entry] = []
        self.on_commit: Callable[[list[Entry]], None] = lambda entries: None
        store._prepare(self.database, run_id, Path("ledger"), CURRENT)


class SimulatedLedger(store.Ledger):
    """The product's ledger on a ``LedgerDisk``: what is queued is written ``delay_s()`` later, as one group."""

    def __init__(self, disk: LedgerDisk, loop: VirtualLoop, delay_s: Callable[[], float]) -> None:
        self.path = Path("ledger")
        self._disk, self._loop, self._delay_s = disk, loop, delay_s
        self._writer = self._reader = disk.database
        row = self._writer.execute("SELECT id, chain FROM entries ORDER BY id DESC LIMIT 1").fetchone()
        self._last_id, self._head = row if row else (0, GENESIS)
        self._pending: dict[str, str] = {}
        self._guard = threading.Lock()
        self._queue: Any = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._closed = False
        self._staged: list[Entry] = []
        self._drawn = False
        self.dead = False

    def append(self, entries: Any) -> Future[int]:
        if self.dead:
            return Future()  # the process is gone
        done = super().append(entries)
        if not self._drawn:
            self._drawn = True
            self._loop.call_later(self._delay_s(), self._turn)
        return done

    def entries(self) -> Iterator[Any]:
        """As the file would be read."""
        for number, entry in enumerate(self._disk.committed, 1):
            yield store.StoredEntry(number, entry, "", "")

    def _turn(self) -> None:
        if self.dead:
            return
        self._drawn = False
        group = []
        with contextlib.suppress(queue.Empty):
            while True:
                group.append(self._queue.get_nowait())
        try:
            self._disk.on_write(False)
            if group:
                self._write_group(group)
            self._disk.on_write(True)
        except Killed:
            return

    def _write_group(self, group: Any) -> None:
        self._staged = []
        super()._write_group(group)
        if self._failure is None:
            self._disk.committed.extend(self._staged)
            self._disk.on_commit(self._staged)

    def _insert(self, new: Sequence[Entry]) -> None:
        super()._insert(new)
        self._staged.extend(new)


class SimulatedOutbox(SqliteOutbox):
    """The product's outbox on a node's ``Disk``. ``kept`` and ``dropped`` hear of readings that became durable
    here, and of those that were deleted as acknowledged."""

    def __init__(
        self, disk: Disk, kept: Callable[[UpMessage], None], dropped: Callable[[UpMessage], None]
    ) -> None:
        self._disk, self._kept, self._dropped = disk, kept, dropped
        self._told: list[Callable[[], None]] = []
        self._is_told = False
        super().__init__(Path("outbox"))

    def put(self, seq: int, message: UpMessage) -> None:
        with self.together():
            super().put(seq, message)
            self._told.append(lambda: self._kept(message))
            self._is_told = True

    def acknowledge(self, seq: int) -> None:
        rows = self._db.execute("SELECT message FROM outbox WHERE seq <= ?", (seq,)).fetchall()
        with self.together():
            super().acknowledge(seq)
            self._told += [partial(self._dropped, codec.decode_up(row[0])) for row in rows]

    def raise_fence(self, epoch: int, slot: int) -> None:
        with self.together():
            super().raise_fence(epoch, slot)
            self._is_told = True

    def _commit(self) -> None:
        told, self._told = self._told, []
        is_told, self._is_told = self._is_told, False
        if is_told:
            self._disk.on_write(False)
        super()._commit()
        for tell in told:
            tell()
        if is_told:
            self._disk.on_write(True)


def open_outbox(
    disk: Disk, kept: Callable[[UpMessage], None], dropped: Callable[[UpMessage], None]
) -> SimulatedOutbox:
    """The node's outbox, as it is on the disk."""
    real = sqlite_outbox.sqlite3
    sqlite_outbox.sqlite3 = SimpleNamespace(connect=lambda *path, **options: _NoClose(disk.database))
    try:
        return SimulatedOutbox(disk, kept, dropped)
    finally:
        sqlite_outbox.sqlite3 = real
