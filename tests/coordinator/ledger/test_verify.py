"""``verify`` passes an honest ledger; anchor, guards and broken pages; and forged files."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import Anchor, verify
from coordinator.ledger.verify import MOST_FINDINGS, VerifyReport
from tests.coordinator.ledger.checks.forging import (
    B0,
    U0,
    Body,
    Forged,
    Outcomes,
    add,
    body,
    kept,
    post,
    silent,
    sql,
    without_constraints,
)


def codes(path: Path, **options: Any) -> set[str]:
    return {finding.code for finding in verify(path, **options).findings}


def test_honest_ledger_passes(path: Path) -> None:
    report = verify(path)
    assert report.ok, report.findings
    assert report.notices == ["1 unmetered node slots"]


def test_report_as_plain_values(path: Path, tamper: Any) -> None:
    """Four nodes over four slots, n03 silent in the last one; then a trade that is no object."""
    kinds = {
        "booking": 15,
        "decision": 4,
        "gap": 1,
        "opening": 4,
        "registration": 4,
        "settlement": 15,
        "slot_end": 4,
        "start": 1,
        "telemetry": 16,
        "trade": 4,
        "usage": 15,
    }
    report = verify(path)
    told = json.loads(json.dumps(report.to_json()))
    with sqlite3.connect(path) as connection:
        ((chain,),) = connection.execute("SELECT chain FROM entries ORDER BY id DESC LIMIT 1")
        ((postings,),) = connection.execute("SELECT count(*) FROM postings")
    assert told == {
        "path": str(path),
        "run_id": "test-run",
        "ok": True,
        "entries": sum(kinds.values()),
        "transactions": 4 + 15 + 4,
        "postings": postings,
        "kinds": kinds,
        "head": chain,
        "finding_count": 0,
        "findings": [],
        "notices": ["1 unmetered node slots"],
    }
    assert list(told["kinds"]) == sorted(kinds)
    tamper(path, lambda c: c.execute("UPDATE entries SET body = '[]' WHERE id = 19"), hashes=True)
    told = verify(path).to_json()
    assert (told["ok"], told["finding_count"]) == (False, len(told["findings"]))
    assert told["findings"][0] == {
        "code": "document",
        "where": "entry 19 (trade/0)",
        "text": "is no JSON object",
    }


def test_notices_name_what_breaks_no_guarantee(tmp_path: Path, eventful: bytes) -> None:
    path = tmp_path / "eventful.sqlite"
    path.write_bytes(eventful)
    report = verify(path)
    assert report.findings == []
    assert report.notices == [
        "2 battery adjustments after a gap",
        "1 bookings by estimate",
        "1 readings after their slot's end",
        "1 unmetered node slots",
    ]


def test_a_negotiated_ledger_passes(tmp_path: Path, negotiated: bytes) -> None:
    path = tmp_path / "negotiated.sqlite"
    path.write_bytes(negotiated)
    assert verify(path).findings == []


def test_findings_beyond_the_most_are_counted() -> None:
    report = VerifyReport("file")
    for number in range(MOST_FINDINGS + 2):
        report.add("code", f"entry {number}", "text")
    assert report.finding_count == 1002
    assert len(report.findings) == 1000
    assert str(report.findings[-1]) == "code: entry 999: text"


def test_anchor_kept_elsewhere_tells_a_rewritten_history(path: Path, tamper: Any) -> None:
    report = verify(path)
    anchor = Anchor(report.entries, report.head)
    assert codes(path, anchor=anchor) == set()
    assert codes(path, anchor=Anchor(report.entries, "f" * 64)) == {"anchor"}
    assert codes(path, anchor=Anchor(report.entries - 1, report.head)) == {"anchor"}

    def rewrite(connection: sqlite3.Connection) -> None:
        for table, column in (("postings", "entry_id"), ("entries", "id")):
            connection.execute(
                f"DELETE FROM {table} WHERE {column} > (SELECT min(id) FROM entries WHERE kind = 'slot_end')"
            )
        connection.execute("UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM entries)")

    tamper(path, rewrite)
    assert codes(path) == set()  # a shorter history that is whole in itself ...
    (finding,) = verify(path, anchor).findings  # ... is not the anchored one
    assert finding.code == "truncated"
    assert finding.text.endswith(f"of the {anchor.entries} entries of its anchor")


def test_missing_guards_and_broken_pages_are_findings(path: Path, tamper: Any) -> None:
    tamper(path, lambda connection: None, guards=False)
    assert codes(path) == {"guards"}
    data = bytearray(path.read_bytes())
    data[8192:24576] = b"\x5a" * 16384
    path.write_bytes(data)
    last = verify(path).findings[-1]
    assert (last.code, last.where) == ("file", str(path))
    assert last.text.startswith("the database cannot be read: ")


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
    (finding,) = report.findings
    assert (finding.code, finding.where) == ("file", str(path))
    assert finding.text.startswith("SQLite's integrity check says: ")
    assert "entries_by_kind" in finding.text


# --- forged ledgers --------------------------------------------------------------------------------------


def renamed_run(b: Body) -> None:
    b["config"]["run_id"] = "other"


def not_a_number(connection: sqlite3.Connection) -> None:
    """Joules of a reading that a standard parser of JSON in Python takes and that are no number."""
    (text,) = connection.execute("SELECT body FROM entries WHERE key = ?", (U0,)).fetchone()
    found = json.loads(text)
    found["lines"][0]["energy_uj"] = float("nan")
    connection.execute("UPDATE entries SET body = ? WHERE key = ?", (json.dumps(found), U0))


FORGED: dict[str, Forged] = {
    "guards gone": Forged(
        "guards",
        "triggers that forbid changes are gone: entries_delete, entries_update",
        (sql("UPDATE meta SET value = value"),),
    ),
    "postings of no entry before the end": Forged(
        "postings",
        "postings without an entry",
        (sql("INSERT INTO postings VALUES (0, 0, 'a', 'uJ', 0)"),),
    ),
    "postings of no entry after the end": Forged(
        "postings",
        "postings without an entry",
        (sql("INSERT INTO postings VALUES (99999, 0, 'a', 'uJ', 0)"),),
    ),
    "entry gone": Forged(
        "order",
        "follows entry 81; entries between are gone",
        (sql("DELETE FROM entries WHERE key = 'gap/3/n03'"),),
        hashes=False,
    ),
    "key twice": Forged(
        "keys",
        "this key counts twice",
        (
            without_constraints,
            sql("UPDATE entries SET key = 'opening/n00' WHERE key = 'opening/n01'"),
        ),
    ),
    "document under its hash": Forged(
        "content",
        "document or postings are not what the digest was made of",
        (body(U0, add("seq")),),
        hashes=False,
    ),
    "chain broken": Forged(
        "chain",
        "does not continue the chain",
        (sql("UPDATE entries SET key = key || 'x' WHERE key = 'trade/0'"),),
        hashes=False,
    ),
    "document of another shape": Forged(
        "document", "cannot be understood: KeyError", (body(B0, lambda b: b.pop("balance")),)
    ),
    "not a number": Forged(
        "document",
        "entry 15 (message/n00/boot1/2): lines[0].energy_uj is nan; allowed are finite numbers",
        (not_a_number,),
    ),
    "no integer": Forged(
        "sums",
        "node/n00/battery holds 1.5, not an integer",
        (
            without_constraints,
            sql("UPDATE postings SET amount = 1.5 WHERE account = 'node/n00/battery' AND entry_id = 3"),
        ),
        hashes=False,
    ),
    "unknown unit": Forged(
        "sums",
        "unit 'kg' is not one of",
        (without_constraints, post(B0, "node/n00/grid", 5, "node/n00/curtailed", "kg")),
    ),
    "one-sided posting": Forged(
        "sums",
        "postings in uJ sum to 7, not 0",
        (sql("UPDATE postings SET amount = amount + 7 WHERE account = 'node/n00/battery' AND entry_id = 3"),),
    ),
    "no JSON": Forged(
        "document", "is no JSON:", (sql("UPDATE entries SET body = '{' WHERE key = 'trade/0'"),)
    ),
    "no object": Forged(
        "document", "is no JSON object", (sql("UPDATE entries SET body = '[]' WHERE key = 'trade/0'"),)
    ),
    "end cut off": Forged(
        "truncated",
        "83 entries were written, 82 are there",
        (sql("DELETE FROM entries WHERE key = 'slot_end/3'"),),
        hashes=False,
    ),
    "another run": Forged("run", "is of run 'other'", (body("start/1", renamed_run),)),
}


KEPT = kept("verify")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


ELSEWHERE = ("truncated: f'has ", "anchor: ", "file: ")
"""Findings that the tests above provoke."""


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    outcomes = [outcome(forged) for forged in FORGED.values()]
    assert silent(sys.modules["coordinator.ledger.verify"], outcomes, ELSEWHERE) == []
