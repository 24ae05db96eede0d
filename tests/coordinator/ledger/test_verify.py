"""``verify`` passes an honest ledger and finds tampering, also by one who can compute hashes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import GENESIS, Posting, Unit, canonical_json, chain_hash, content_digest
from coordinator.policies.registry import make_policy


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Bytes of a ledger with trade, offloading and a gap; made once."""
    return {}


@pytest.fixture
def path(tmp_path: Path, honest: dict[str, Any], kit: Any) -> Path:
    if "bytes" not in honest:
        bench = kit.Bench(kit.make_config(tmp_path, nodes=4), make_policy("deta"))
        bench.join()
        for slot in range(3):
            bench.run_slot(slot)
        bench.mute = {"n03"}
        bench.run_slot(3)
        posted = [t for s in bench.coordinator.service.books.slots.values() for t in s.trade if t.posted]
        assert posted
        bench.close()
        honest["bytes"] = (tmp_path / "ledger.sqlite").read_bytes()
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(honest["bytes"])
    return copy


def tamper(path: Path, change: Callable[[sqlite3.Connection], None], guards: bool = True) -> None:
    """Change the file behind the triggers' back, and put the triggers up again."""
    with sqlite3.connect(path) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        change(connection)
        for _, sql in triggers if guards else ():
            connection.execute(sql)


def rehash(connection: sqlite3.Connection) -> None:
    """What a forger would do: digests and chain computed anew over the changed content."""
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


def codes(path: Path, **options: Any) -> set[str]:
    return {finding.code for finding in verify(path, **options).findings}


def test_honest_ledger_passes(path: Path) -> None:
    report = verify(path)
    assert report.ok, report.findings
    assert report.notices == ["1 unmetered node slots"]
    assert json.loads(json.dumps(report.to_json()))["ok"] is True


def edit_body(kind: str, change: Callable[[dict[str, Any]], None]) -> Callable[[sqlite3.Connection], None]:
    def run(connection: sqlite3.Connection) -> None:
        rows = connection.execute(
            "SELECT id, body FROM entries WHERE kind = ? ORDER BY id DESC", (kind,)
        ).fetchall()
        for entry_id, text in rows:
            body = json.loads(text)
            before = canonical_json(body)
            change(body)
            if canonical_json(body) != before:
                connection.execute(
                    "UPDATE entries SET body = ? WHERE id = ?", (canonical_json(body), entry_id)
                )
                return
        raise AssertionError(f"nothing of kind {kind} could be changed")

    return run


def sql(statement: str) -> Callable[[sqlite3.Connection], None]:
    def run(connection: sqlite3.Connection) -> None:
        assert connection.execute(statement).rowcount > 0

    return run


def last(kind: str) -> str:
    return f"(SELECT max(id) FROM entries WHERE kind = '{kind}')"


RAW = {
    "posting changed": (
        sql(f"UPDATE postings SET amount = amount + 1 WHERE line = 0 AND entry_id = {last('booking')}"),
        {"content", "sums", "postings"},
    ),
    "posting removed": (
        sql(f"DELETE FROM postings WHERE entry_id = {last('booking')} AND line = 0"),
        {"content", "sums"},
    ),
    "document changed": (edit_body("usage", lambda b: b.update(tokens=b["tokens"] + 1)), {"content"}),
    "key changed": (sql(f"UPDATE entries SET key = key || 'x' WHERE id = {last('trade')}"), {"chain"}),
    "entry removed": (sql(f"DELETE FROM entries WHERE id = {last('usage')}"), {"order", "chain"}),
    "end cut off": (sql(f"DELETE FROM entries WHERE id = {last('slot_end')}"), {"truncated"}),
    "postings orphaned": (sql("INSERT INTO postings VALUES (99999, 0, 'a', 'uJ', 0)"), {"postings"}),
}


@pytest.mark.parametrize("name", list(RAW))
def test_plain_tampering_is_found(path: Path, name: str) -> None:
    change, expected = RAW[name]
    tamper(path, change)
    assert expected <= codes(path)


def first_line(body: dict[str, Any]) -> dict[str, Any]:
    return next(line for line in body["lines"] if line["energy_uj"])


def void_one(body: dict[str, Any]) -> None:
    for transfer in body["transfers"]:
        if transfer["sent_uj"]:
            transfer.update(sent_uj=0, received_uj=0, reason="forged")
            return


def add_pair(connection: sqlite3.Connection) -> None:
    entry_id = connection.execute(f"SELECT {last('booking')}").fetchone()[0]
    for line, account, amount in ((900, "node/n00/grid", -7), (901, "node/n00/curtailed", 7)):
        connection.execute(
            "INSERT INTO postings VALUES (?, ?, ?, 'uJ', ?)", (entry_id, line, account, amount)
        )


FORGED = {
    "executed batches": (
        edit_body("booking", lambda b: b.update(executed_batches=b["executed_batches"] + 1)),
        "batches",
    ),
    "balance": (
        edit_body("booking", lambda b: b["balance"].update(grid_uj=b["balance"]["grid_uj"] + 1)),
        "identity",
    ),
    "battery begins elsewhere": (
        edit_body(
            "booking",
            lambda b: b["balance"].update(
                battery_before_uj=b["balance"]["battery_before_uj"] + 5,
                battery_after_uj=b["balance"]["battery_after_uj"] + 5,
            ),
        ),
        "battery",
    ),
    "line moved to another stage": (
        edit_body("booking", lambda b: first_line(b).update(stage="application")),
        "postings",
    ),
    "reading": (edit_body("usage", lambda b: b["lines"][0].update(energy_uj=1)), "reading"),
    "harvest": (edit_body("usage", lambda b: b.update(harvest_uj=b["harvest_uj"] + 1)), "reading"),
    "epoch of a usage": (edit_body("usage", lambda b: b.update(epoch=b["epoch"] + 1)), "epoch"),
    "sequence number": (edit_body("usage", lambda b: b.update(seq=b["seq"] + 1000)), "keys"),
    "posted transfer made void": (edit_body("trade", void_one), "transfers"),
    "transfer left out": (edit_body("trade", lambda b: b["transfers"].clear()), "transfers"),
    "summary": (edit_body("slot_end", lambda b: b["summary"].update(emissions_pg=1)), "summary"),
    "summary's batches": (
        edit_body("slot_end", lambda b: b["summary"].update(executed_batches=1)),
        "batches",
    ),
    "opening": (edit_body("opening", lambda b: b.update(battery_uj=b["battery_uj"] + 1)), "postings"),
    "start": (edit_body("start", lambda b: b.update(epoch=4)), "epoch"),
    "unreadable": (sql(f"UPDATE entries SET body = '[]' WHERE id = {last('trade')}"), "document"),
    "decision after its usage": (sql(f"UPDATE entries SET slot = 99 WHERE id = {last('decision')}"), "order"),
    "second posting pair": (add_pair, "postings"),
    "gap without its entry": (sql(f"UPDATE entries SET node_id = 'n09' WHERE id = {last('gap')}"), "gaps"),
}


@pytest.mark.parametrize("name", list(FORGED))
def test_forgery_with_computed_hashes_is_found_by_what_the_books_say(path: Path, name: str) -> None:
    change, expected = FORGED[name]

    def forge(connection: sqlite3.Connection) -> None:
        change(connection)
        rehash(connection)

    tamper(path, forge)
    found = codes(path)
    assert expected in found
    assert not found & {"chain", "content"}


def test_anchor_kept_elsewhere_tells_a_rewritten_history(path: Path) -> None:
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
    assert codes(path, expected_head=head) == {"truncated"}  # ... is not the one that was anchored


def test_missing_guards_and_broken_pages_are_findings(path: Path) -> None:
    tamper(path, lambda connection: None, guards=False)
    assert codes(path) == {"guards"}
    data = bytearray(path.read_bytes())
    data[8192:24576] = b"\x5a" * 16384
    path.write_bytes(data)
    assert not verify(path).ok


def test_unit_is_one_of_two() -> None:
    assert {str(unit) for unit in Unit} == {"uJ", "pg"}
