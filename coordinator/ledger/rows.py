"""Entries as they are stored, in the units of their file's format: out of a ledger, and into a new one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coordinator.ledger.entry import LedgerError, Posting, content_digest
from coordinator.ledger.formats import READABLE
from coordinator.ledger.store import block_of, new_file, open_read_only


@dataclass(frozen=True, slots=True)
class Row:
    """One entry; its digest follows from the rest."""

    id: int
    kind: str
    key: str
    slot: int | None
    node_id: str
    body: str
    """Its document, as the digest was made of it."""
    postings: tuple[Posting, ...]
    """In order."""
    chain: str
    block: bytes = b""
    """Columns, of a virtual fleet."""


def read_rows(path: Path, last: int) -> Iterator[Row]:
    """Entries 1 to ``last`` of a ledger file. Raises LedgerError as ``open_read_only``."""
    connection, stored_as = open_read_only(path)
    with contextlib.closing(connection):
        entries = connection.execute(
            "SELECT id, kind, key, slot, node_id, body, chain FROM entries WHERE id <= ? ORDER BY id", (last,)
        )
        for entry_id, kind, key, slot, node_id, body, chain in entries:
            postings = connection.execute(
                "SELECT account, unit, amount FROM postings WHERE entry_id = ? ORDER BY line", (entry_id,)
            )
            own = tuple(Posting(*posting) for posting in postings)
            block = block_of(connection, entry_id, stored_as)
            yield Row(entry_id, kind, key, slot, node_id, body, own, chain, block)


def write_rows(path: Path, run_id: str, format_name: str, rows: Iterable[Row]) -> None:
    """A new ledger of these entries, unchecked: that is ``verify``. Raises LedgerError for an unknown format, and
    sqlite3.Error for values that no ledger holds."""
    if format_name not in READABLE:
        raise LedgerError(f"ledger format {format_name!r}; this version reads {', '.join(sorted(READABLE))}")
    with contextlib.closing(new_file(path, run_id, READABLE[format_name])) as file:
        file.execute("BEGIN")
        for row in rows:
            digest = content_digest(row.kind, row.slot, row.node_id, row.body, row.postings)
            entry = (row.id, row.kind, row.key, row.slot, row.node_id, row.body, digest, row.chain)
            file.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entry)
            lines = [(row.id, line, p.account, p.unit, p.amount) for line, p in enumerate(row.postings)]
            file.executemany("INSERT INTO postings VALUES (?, ?, ?, ?, ?)", lines)
            if row.block:
                file.execute("INSERT INTO columns VALUES (?, ?)", (row.id, row.block))
        file.execute("COMMIT")
