"""A valid ledger with trade, offloading and a gap, and a function that forges it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import GENESIS, Posting, chain_hash, content_digest
from coordinator.policies.registry import make_policy

Change = Callable[[sqlite3.Connection], None]


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> bytes:
    """Bytes of the ledger of a run of four slots."""
    folder = tmp_path_factory.mktemp("honest")
    bench = kit.Bench(kit.make_config(folder, nodes=4), make_policy("deta"))
    for node in bench.nodes.values():
        node.serves_users = True
    bench.join()
    for slot in range(3):
        bench.run_slot(slot)
    bench.mute = {"n03"}
    bench.run_slot(3)
    posted = [t for s in bench.coordinator.service.books.slots.values() for t in s.trade if t.posted]
    assert posted
    bench.close()
    return (folder / "ledger.sqlite").read_bytes()


@pytest.fixture
def path(tmp_path: Path, honest: bytes) -> Path:
    """A copy of the valid ledger."""
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(honest)
    return copy


def _tamper(path: Path, change: Change, *, hashes: bool = False, guards: bool = True) -> None:
    """Change the file without its triggers; ``hashes``: with digests and chain computed again, as a forger would do;
    ``guards``: and create the triggers again."""
    with sqlite3.connect(path) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        if hashes:
            _rehash(connection)
        for _, sql in triggers if guards else ():
            connection.execute(sql)


def _rehash(connection: sqlite3.Connection) -> None:
    previous = GENESIS
    rows = connection.execute("SELECT id, kind, key, slot, node_id, body FROM entries ORDER BY id").fetchall()
    for entry_id, kind, key, slot, node_id, body in rows:
        postings = tuple(
            Posting(account, unit, amount)
            for account, unit, amount in connection.execute(
                "SELECT account, unit, amount FROM postings WHERE entry_id = ? ORDER BY line", (entry_id,)
            )
        )
        digest = content_digest(kind, slot, node_id, body, postings)
        previous = chain_hash(previous, entry_id, key, digest)
        connection.execute(
            "UPDATE entries SET digest = ?, chain = ? WHERE id = ?", (digest, previous, entry_id)
        )


@pytest.fixture(scope="session")
def tamper() -> Callable[..., None]:
    """``tamper(path, change, hashes=False, guards=True)``."""
    return _tamper
