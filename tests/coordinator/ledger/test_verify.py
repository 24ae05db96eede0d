"""``verify`` passes an honest ledger; anchor, guards and broken pages. Each single finding: checks/test_checks."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from coordinator.ledger import verify


def codes(path: Path, **options: Any) -> set[str]:
    return {finding.code for finding in verify(path, **options).findings}


def test_honest_ledger_passes(path: Path) -> None:
    report = verify(path)
    assert report.ok, report.findings
    assert report.notices == ["1 unmetered node slots"]
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def test_anchor_kept_elsewhere_tells_a_rewritten_history(path: Path, tamper: Any) -> None:
    head = verify(path).head
    assert codes(path, expected_head=head) == set()

    def rewrite(connection: sqlite3.Connection) -> None:
        for table, column in (("postings", "entry_id"), ("entries", "id")):
            connection.execute(
                f"DELETE FROM {table} WHERE {column} > (SELECT min(id) FROM entries WHERE kind = 'slot_end')"
            )
        connection.execute("UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM entries)")

    tamper(path, rewrite)
    assert codes(path) == set()  # a shorter history that is whole in itself ...
    assert codes(path, expected_head=head) == {"truncated"}  # ... is not the anchored one


def test_missing_guards_and_broken_pages_are_findings(path: Path, tamper: Any) -> None:
    tamper(path, lambda connection: None, guards=False)
    assert codes(path) == {"guards"}
    data = bytearray(path.read_bytes())
    data[8192:24576] = b"\x5a" * 16384
    path.write_bytes(data)
    assert not verify(path).ok


def test_an_index_that_forgot_a_row_is_a_finding(path: Path, tamper: Any) -> None:
    """The rows are whole and readable; only SQLite's own check finds it."""

    def forget(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = sql || ' WHERE slot > 0' WHERE name = 'entries_by_kind'"
        )
        connection.commit()

    tamper(path, forget)
    report = verify(path)
    assert [finding.code for finding in report.findings] == ["file"]
    assert "integrity check says: " in report.findings[0].text
