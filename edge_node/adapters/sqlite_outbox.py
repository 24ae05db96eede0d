"""An outbox on disk, for a board that may lose power: SQLite, every change synced before the call returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protos import codec
from protos.messages.stream import UpMessage


class SqliteOutbox:
    """Unacknowledged messages and the fence survive ``kill -9`` and power cuts.

    Sequence numbers go on across restarts, so that a message of the boot before and one of this boot never
    share a number.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._is_together = False
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY, message BLOB NOT NULL)")
        self._db.execute("CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
        self._state: dict[str, int] = dict(self._db.execute("SELECT name, value FROM state").fetchall())
        self._state.setdefault("seq", 0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction, begun by its first change and synced at its end."""
        with self._lock:
            if self._is_together:
                yield
                return
            before, self._is_together = dict(self._state), True
            try:
                yield
                if self._db.in_transaction:
                    self._commit()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._state = before
                raise
            finally:
                self._is_together = False

    def next_seq(self) -> int:
        """Durable with the message that carries it: see ``put``. A number lost in a crash is never given
        again to other content, since ``put`` raises the stored number too."""
        with self._lock:
            self._state["seq"] += 1
            return self._state["seq"]

    def put(self, seq: int, message: UpMessage) -> None:
        data = codec.encode_up(message)
        with self.together():
            self._begin()
            self._db.execute("INSERT INTO outbox VALUES (?, ?)", (seq, data))
            self._write("seq", max(seq, self._state["seq"]))

    def remove(self, seq: int) -> None:
        with self.together():
            self._begin()
            self._db.execute("DELETE FROM outbox WHERE seq = ?", (seq,))

    def acknowledge(self, seq: int) -> None:
        with self.together():
            self._begin()
            self._db.execute("DELETE FROM outbox WHERE seq <= ?", (seq,))

    def pending(self) -> tuple[UpMessage, ...]:
        with self._lock:
            rows = self._db.execute("SELECT message FROM outbox ORDER BY seq").fetchall()
        return tuple(codec.decode_up(row[0]) for row in rows)

    @property
    def last_seq(self) -> int:
        return self._state["seq"]

    @property
    def fence(self) -> tuple[int, int] | None:
        if "epoch" not in self._state:
            return None
        return self._state["epoch"], self._state["slot"]

    def raise_fence(self, epoch: int, slot: int) -> None:
        if self.fence is not None and (epoch, slot) <= self.fence:
            return
        with self.together():
            self._begin()
            self._write("epoch", epoch)
            self._write("slot", slot)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def _commit(self) -> None:
        self._db.execute("COMMIT")

    def _write(self, name: str, value: int) -> None:
        self._state[name] = value
        self._db.execute(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = ?2", (name, value)
        )
