"""Verification of a ledger: every guarantee of the books is checked on the file alone.

Nothing of the running coordinator is trusted or needed here: postings are added up again, the chain is
computed again, and documents are compared with postings.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coordinator.ledger.checks.every import Checks
from coordinator.ledger.checks.item import Item
from coordinator.ledger.checks.numbers import non_finite
from coordinator.ledger.entry import (
    GENESIS,
    Kind,
    LedgerError,
    Posting,
    chain_hash,
    content_digest,
)
from coordinator.ledger.formats import Format
from coordinator.ledger.store import block_of, open_read_only, tables_of

MOST_FINDINGS = 1000
"""Findings kept; more are only counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One violated guarantee: ``code`` for programs, ``where`` the entry or account, ``text`` for people."""

    code: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.where}: {self.text}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a ledger ended, kept outside of it: it reveals a file that was cut short, or written again."""

    entries: int
    head: str
    """Chain value of the last entry."""


@dataclass(slots=True)
class VerifyReport:
    """Result of a verification. ``head``: anchor (entries, chain value) of this file."""

    path: str
    run_id: str = ""
    entries: int = 0
    transactions: int = 0
    """Entries with postings."""
    postings: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    head: str = GENESIS
    findings: list[Finding] = field(default_factory=list)
    finding_count: int = 0
    notices: list[str] = field(default_factory=list)
    """Facts that break no guarantee and are still worth knowing: gaps, estimates, adjustments, alarms, fallbacks."""

    @property
    def ok(self) -> bool:
        return self.finding_count == 0

    def add(self, code: str, where: str, text: str) -> None:
        self.finding_count += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(code, where, text))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "path": self.path,
            "run_id": self.run_id,
            "ok": self.ok,
            "entries": self.entries,
            "transactions": self.transactions,
            "postings": self.postings,
            "kinds": dict(sorted(self.kinds.items())),
            "head": self.head,
            "finding_count": self.finding_count,
            "findings": [{"code": f.code, "where": f.where, "text": f.text} for f in self.findings],
            "notices": list(self.notices),
        }


def verify(path: Path, anchor: Anchor | None = None) -> VerifyReport:
    """Check the ledger at ``path``. ``anchor``: where it must end; without one, a file that was cut short where a slot
    ends, or raw fields that were changed with all hashes, cannot be told from an honest one.

    Raises LedgerError when there is no ledger to look at; errors inside it become findings.
    """
    report = VerifyReport(str(path))
    connection, stored_as = open_read_only(path)
    with contextlib.closing(connection):
        report.run_id = str(connection.execute("SELECT value FROM meta WHERE name = 'run_id'").fetchone()[0])
        try:
            _check_file(connection, stored_as, report)
            anchored = _check_entries(connection, stored_as, report, anchor)
            _check_counts(connection, report)
        except sqlite3.DatabaseError as error:
            report.add("file", report.path, f"the database cannot be read: {error}")
            return report
    if anchor is not None and report.entries < anchor.entries:
        report.add(
            "truncated", report.path, f"has {report.entries} of the {anchor.entries} entries of its anchor"
        )
    elif anchor is not None and anchored != anchor.head:
        report.add(
            "anchor", report.path, f"entry {anchor.entries} is not the anchored one: it was written again"
        )
    elif anchor is not None and report.entries > anchor.entries:
        report.add(
            "anchor", report.path, f"{report.entries - anchor.entries} entries follow the anchored last one"
        )
    return report


def _check_file(connection: sqlite3.Connection, stored_as: Format, report: VerifyReport) -> None:
    said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if said != "ok":
        report.add("file", report.path, f"SQLite's integrity check says: {said}")
    triggers = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    needed = {f"{table}_{verb}" for table in tables_of(stored_as) for verb in ("update", "delete")}
    if missing := sorted(needed - triggers):
        report.add("guards", report.path, f"triggers that forbid changes are gone: {', '.join(missing)}")


def _check_entries(
    connection: sqlite3.Connection, stored_as: Format, report: VerifyReport, anchor: Anchor | None
) -> str | None:
    """One pass in order: chain, digests, sums, keys, and consistency between documents. Returns the chain value at the
    anchor's place."""
    checks = Checks(report.add, stored_as.picograms)
    kinds: Counter[str] = Counter()
    keys: set[str] = set()
    previous, expected_id, anchored = GENESIS, 1, None
    postings = connection.execute(
        "SELECT entry_id, line, account, unit, amount FROM postings ORDER BY entry_id, line"
    )
    waiting = postings.fetchone()
    rows = connection.execute(
        "SELECT id, kind, key, slot, node_id, body, digest, chain FROM entries ORDER BY id"
    )
    for entry_id, kind, key, slot, node_id, body, digest, chain in rows:
        own: list[Posting] = []
        while waiting is not None and waiting[0] <= entry_id:
            if waiting[0] < entry_id:
                report.add("postings", f"entry {waiting[0]}", "postings without an entry")
            else:
                own.append(Posting(waiting[2], waiting[3], waiting[4]))
            report.postings += 1
            waiting = postings.fetchone()
        report.entries += 1
        report.transactions += bool(own)
        kinds[kind] += 1
        where = f"entry {entry_id} ({key})"
        if entry_id != expected_id:
            report.add("order", where, f"follows entry {expected_id - 1}; entries between are gone")
        expected_id = entry_id + 1
        if key in keys:
            report.add("keys", where, "this key counts twice")
        keys.add(key)
        if content_digest(kind, slot, node_id, body, tuple(own)) != digest:
            report.add("content", where, "document or postings are not what the digest was made of")
        if chain_hash(previous, entry_id, key, digest) != chain:
            report.add("chain", where, "does not continue the chain: this entry or one before was changed")
        previous = chain
        if anchor is not None and report.entries == anchor.entries:
            anchored = chain
        _check_sums(report, where, own, stored_as)
        document = _parse(report, where, body)
        if document is not None and _is_finite(report, where, body, document):
            _check_run(report, where, document)
            try:
                before = checks.battery_uj(node_id)
                document = stored_as.document(document)
                today = tuple(stored_as.posting(p.account, p.unit, p.amount) for p in own)
                block = block_of(connection, entry_id, stored_as)
                checks.take(Item(Kind(kind), key, slot, node_id, document, today, where, before, block))
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                report.add("document", where, f"cannot be understood: {type(error).__name__} {error}")
    while waiting is not None:
        report.add("postings", f"entry {waiting[0]}", "postings without an entry")
        waiting = postings.fetchone()
    checks.finish()
    report.kinds = dict(kinds)
    report.head = previous
    report.notices = checks.notices()
    return anchored


def _check_sums(report: VerifyReport, where: str, postings: list[Posting], stored_as: Format) -> None:
    totals: Counter[str] = Counter()
    for posting in postings:
        if not isinstance(posting.amount, int):
            report.add("sums", where, f"{posting.account} holds {posting.amount!r}, not an integer")
            return
        totals[posting.unit] += posting.amount
    for unit, total in totals.items():
        if unit not in stored_as.units:
            report.add("sums", where, f"unit {unit!r} is not one of {sorted(stored_as.units)}")
        if total != 0:
            report.add("sums", where, f"postings in {unit} sum to {total}, not 0")


def _parse(report: VerifyReport, where: str, body: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError as error:
        report.add("document", where, f"is no JSON: {error}")
        return None
    if not isinstance(document, dict):
        report.add("document", where, "is no JSON object")
        return None
    return document


def _is_finite(report: VerifyReport, where: str, body: str, document: Mapping[str, Any]) -> bool:
    """Whether every figure of a document is a number; with others nothing can be computed again."""
    found = next(non_finite(body, document), None)
    if found is not None:
        report.add(
            "document", where, f"{found[0]} is {found[1]}; allowed are finite numbers, and null for none"
        )
    return found is None


def _check_run(report: VerifyReport, where: str, document: Mapping[str, Any]) -> None:
    """The file's name of the run is that of the configuration in its first start."""
    config = document.get("config")
    if isinstance(config, dict) and config.get("run_id") != report.run_id:
        report.add("run", where, f"is of run {config.get('run_id')!r}, the file of {report.run_id!r}")


def _check_counts(connection: sqlite3.Connection, report: VerifyReport) -> None:
    """The file's own counter of entries knows of rows cut off at the end."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    highest = 0 if row is None else int(row[0])
    if highest > report.entries:
        report.add("truncated", report.path, f"{highest} entries were written, {report.entries} are there")


__all__ = ["Anchor", "Finding", "LedgerError", "VerifyReport", "verify"]
