"""Ledgers forged on purpose: how they are changed, and what ``verify`` says of each.

Each file of checks has its forgeries in its file of tests. ``findings.json`` holds all expected findings of each.
When the text of a finding or a valid ledger changes on purpose, check the difference that the failing test prints and
replace the list in the file."""

from __future__ import annotations

import ast
import inspect
import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import canonical_json
from coordinator.ledger.verify import VerifyReport

FINDINGS = Path(__file__).with_name("findings.json")
"""All findings of each forged ledger, by file of checks."""
Change = Callable[[sqlite3.Connection], None]


Body = dict[str, Any]


@dataclass(frozen=True)
class Forged:
    """A change of a valid ledger, and its finding. ``hashes``: with all hashes computed again."""

    code: str
    text: str
    changes: tuple[Change, ...]
    hashes: bool = True
    ledger: str = "honest"
    """Fixture with the valid ledger (conftest.py)."""


@dataclass(frozen=True)
class Outcome:
    """What ``verify`` says of a forged ledger."""

    made_for: bool
    """Whether the finding is there that it was forged for."""
    said: list[str]
    """All findings."""
    sites: frozenset[tuple[str, int]]
    """(file, line) of the calls that reported them."""


Outcomes = Callable[[Forged], Outcome]


def forge(path: Path, forged: Forged, tamper: Callable[..., None]) -> Outcome:
    """Forge the valid ledger at ``path``, and verify it."""

    def run(connection: sqlite3.Connection) -> None:
        for change in forged.changes:
            change(connection)

    sites: set[tuple[str, int]] = set()
    original = VerifyReport.add

    def spy(report: VerifyReport, code: str, where: str, text: str) -> None:
        frame = sys._getframe(1)
        sites.add((frame.f_code.co_filename, frame.f_lineno))
        original(report, code, where, text)

    tamper(path, run, hashes=forged.hashes, guards=forged.code != "guards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VerifyReport, "add", spy)
        report = verify(path)
    assert report.finding_count == len(report.findings)
    assert not forged.hashes or forged.code not in ("chain", "content")
    found = [str(finding) for finding in report.findings if finding.code == forged.code]
    said = [str(finding).replace(report.path, "FILE") for finding in report.findings]
    return Outcome(any(forged.text in each for each in found), said, frozenset(sites))


def kept(name: str) -> dict[str, list[str]]:
    """By forgery, its findings as they were read and kept; ``name``: the file of checks."""
    found: dict[str, list[str]] = json.loads(FINDINGS.read_text(encoding="utf-8"))[name]
    return found


def sites_of(module: ModuleType) -> dict[tuple[str, int], str]:
    """(file, line) of every call that reports a finding, and its code and text as written."""
    source = inspect.getsource(module)
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if (
            node.func.attr in ("add", "_add")
            and len(node.args) == 3
            and isinstance(node.args[0], ast.Constant)
        ):
            found[str(module.__file__), node.lineno] = f"{node.args[0].value}: {ast.unparse(node.args[2])}"
    return found


def silent(module: ModuleType, outcomes: Sequence[Outcome], elsewhere: tuple[str, ...] = ()) -> list[str]:
    """Findings of a file of checks that none of ``outcomes`` has. Without this a check could be removed with all tests
    passing. ``elsewhere``: beginnings of those that other tests provoke."""
    fired = {site for outcome in outcomes for site in outcome.sites}
    sites = sites_of(module)
    assert sites
    return sorted(
        text for site, text in sites.items() if site not in fired and not text.startswith(elsewhere)
    )


def body(key: str, change: Callable[[Body], None]) -> Change:
    """The document of entry ``key``, changed."""

    def run(connection: sqlite3.Connection) -> None:
        (text,) = connection.execute("SELECT body FROM entries WHERE key = ?", (key,)).fetchone()
        found = json.loads(text)
        change(found)
        assert canonical_json(found) != text, "nothing was changed"
        connection.execute("UPDATE entries SET body = ? WHERE key = ?", (canonical_json(found), key))

    return run


def sql(statement: str) -> Change:
    def run(connection: sqlite3.Connection) -> None:
        assert connection.execute(statement).rowcount > 0

    return run


def post(key: str, account: str, amount: int, against: str, unit: str = "uJ") -> Change:
    """One more pair of postings in entry ``key``."""

    def run(connection: sqlite3.Connection) -> None:
        (entry,) = connection.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchone()
        (line,) = connection.execute(
            "SELECT coalesce(max(line), -1) + 1 FROM postings WHERE entry_id = ?", (entry,)
        ).fetchone()
        for n, (name, value) in enumerate(((account, amount), (against, -amount))):
            connection.execute(
                "INSERT INTO postings VALUES (?, ?, ?, ?, ?)", (entry, line + n, name, unit, value)
            )

    return run


def append(kind: str, key: str, document: Body, slot: int | None = None, node: str = "") -> Change:
    """One more entry at the end."""

    def run(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO entries (kind, key, slot, node_id, body, digest, chain) VALUES (?, ?, ?, ?, ?, '', '')",
            (kind, key, slot, node, canonical_json(document)),
        )

    return run


def copy(key: str, new_key: str) -> Change:
    """Entry ``key`` with its postings once more at the end, under another key."""

    def run(connection: sqlite3.Connection) -> None:
        (old,) = connection.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchone()
        connection.execute(
            "INSERT INTO entries (kind, key, slot, node_id, body, digest, chain) "
            "SELECT kind, ?, slot, node_id, body, '', '' FROM entries WHERE id = ?",
            (new_key, old),
        )
        (new,) = connection.execute("SELECT max(id) FROM entries").fetchone()
        connection.execute(
            "INSERT INTO postings SELECT ?, line, account, unit, amount FROM postings WHERE entry_id = ?",
            (new, old),
        )

    return run


def remove(key: str) -> Change:
    """Entry ``key`` and its postings gone, those after it moved up."""

    def run(connection: sqlite3.Connection) -> None:
        (gone,) = connection.execute("SELECT id FROM entries WHERE key = ?", (key,)).fetchone()
        connection.execute("DELETE FROM postings WHERE entry_id = ?", (gone,))
        connection.execute("DELETE FROM entries WHERE id = ?", (gone,))
        rows = connection.execute("SELECT id FROM entries WHERE id > ? ORDER BY id", (gone,)).fetchall()
        for (entry,) in rows:
            connection.execute("UPDATE entries SET id = ? WHERE id = ?", (entry - 1, entry))
            connection.execute("UPDATE postings SET entry_id = ? WHERE entry_id = ?", (entry - 1, entry))
        connection.execute(
            "UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM entries) WHERE name = 'entries'"
        )

    return run


def without_constraints(connection: sqlite3.Connection) -> None:
    """The tables as copies without constraints: double keys, fractions and any unit are possible."""
    for table in ("entries", "postings"):
        connection.execute(f"ALTER TABLE {table} RENAME TO before")
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM before")
        connection.execute("DROP TABLE before")


def key_of(kind: str, node: str, slot: int) -> str:
    """Key of a node's message; the stub nodes of the tests number them in this order."""
    number = {"telemetry": 1, "usage": 2, "settlement": 3}[kind] + 3 * slot
    return f"message/{node}/boot1/{number}"


def balance(**changes: int) -> Callable[[Body], None]:
    """Amounts added to terms of a booking's balance."""
    return lambda b: b["balance"].update({name: b["balance"][name] + by for name, by in changes.items()})


def add(name: str, by: int = 1) -> Callable[[Body], None]:
    return lambda b: b.update({name: b[name] + by})


def summary(name: str, by: int) -> Callable[[Body], None]:
    return lambda b: b["summary"].update({name: b["summary"][name] + by})


def line_at(index: int, **changes: Any) -> Callable[[Body], None]:
    return lambda b: b["lines"][index].update(changes)


def one_more(index: int, name: str) -> Callable[[Body], None]:
    return lambda b: b["lines"][index].update({name: b["lines"][index][name] + 1})


U0 = key_of("usage", "n00", 0)


B0 = "booking/0/n00"


E0 = "slot_end/0"


def usage_of(node: str, change: Callable[[Body], None]) -> Change:
    """The first reading of ``node``, changed."""

    def run(connection: sqlite3.Connection) -> None:
        (key,) = connection.execute(
            "SELECT key FROM entries WHERE kind = 'usage' AND node_id = ? ORDER BY id", (node,)
        ).fetchone()
        body(key, change)(connection)

    return run


def eventful(code: str, text: str, *changes: Change) -> Forged:
    """Slot 0: n01 wasted two of six batches and served outside clients; slot 1: n02 late; slot 2: n01 by estimate."""
    return Forged(code, text, changes, ledger="eventful")


def negotiated(code: str, text: str, *changes: Change) -> Forged:
    return Forged(code, text, changes, ledger="negotiated")


def line_of(component: str, holder: str = "", /, **changes: Any) -> Callable[[Body], None]:
    """The first line of a component (and holder), changed; a number is added to what is there."""

    def change(b: Body) -> None:
        found = next(
            each for each in b["lines"] if each["component"] == component and holder in ("", each["node_id"])
        )
        found.update({name: found[name] + v if isinstance(v, int) else v for name, v in changes.items()})

    return change


WASTED = "booking/0/n01"


LATE = "booking/1/n02"
