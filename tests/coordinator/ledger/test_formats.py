"""A ledger that booked micrograms (format 1) is read, checked and exported as it stands.

``ledger-format-1.sql.gz`` is the dump of a ledger that the last version with micrograms wrote: three nodes, two slots
of DETA, one transfer to one node from two, three batches moved, one booking by estimate.
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coordinator.ledger import Anchor, Kind, Ledger, LedgerError, Unit, canonical_json, read_entries, verify
from coordinator.ledger.entry import Posting, chain_hash, content_digest
from coordinator.ledger.formats import CURRENT, MICROGRAMS
from coordinator.tables.export import ledger_tables

RECORDED = Path(__file__).with_name("ledger-format-1.sql.gz")
ENTRIES = 36
HEAD = "5f908fc8312d1b8c118eff121a2add89369f609cf79cbc374e48e43c823cef09"
BOOKED_UG = {
    ("coordinator", "coordinator"): 2505,
    ("n00", "compute"): 100,
    ("n00", "static"): 556,
    ("n01", "compute"): 0,
    ("n01", "static"): 0,
    ("n02", "compute"): 301,
    ("n02", "static"): 1392,
    ("network", "network"): 2,
    ("router", "router"): 3340,
}
"""Tables as exported by the version that wrote the ledger."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(gzip.decompress(RECORDED.read_bytes()).decode())
    return path


def test_it_verifies_with_the_chain_value_that_its_writer_had(old: Path) -> None:
    report = verify(old, Anchor(ENTRIES, HEAD))
    assert report.ok, report.findings
    assert report.head == HEAD
    assert report.notices == ["1 bookings by estimate"]


def test_its_tables_are_those_its_writer_exported(old: Path) -> None:
    tables = ledger_tables(old, start=datetime(2024, 6, 1, tzinfo=UTC), trace_step_s=3600.0)
    booked = tables["lines"].groupby(["node_id", "component"])["operational_g"].sum()
    assert {key: round(grams * 1e6) for key, grams in booked.items()} == BOOKED_UG
    assert booked.sum() == pytest.approx(sum(BOOKED_UG.values()) / 1e6, rel=1e-12)
    assert tables["slots"]["operational_g"].sum() == pytest.approx(2349e-6, rel=1e-12)
    assert list(tables["batch_flows"]["batches"]) == [3]


def test_its_entries_are_read_in_todays_units_and_kept_as_they_were(old: Path) -> None:
    ends = [stored for stored in read_entries(old) if stored.entry.kind is Kind.SLOT_END]
    assert [end.entry.body["summary"]["emissions_pg"] for end in ends] == [3696 * 10**6, 4500 * 10**6]
    assert [json.loads(end.entry.text)["summary"]["emissions_ug"] for end in ends] == [3696, 4500]
    air = [p for end in ends for p in end.entry.postings if p.account == "atmosphere"]
    assert {p.unit for p in air} == {Unit.PICOGRAMS}
    assert all(p.amount % 10**6 == 0 for p in air)


def forge(path: Path, statement: str, parameters: tuple[str, ...] = ()) -> None:
    """Run ``statement`` without triggers and compute all digests and the chain again."""
    with closing(sqlite3.connect(path)) as connection, connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement, parameters).rowcount > 0
        previous = "0" * 64
        rows = connection.execute(
            "SELECT id, kind, key, slot, node_id, body FROM entries ORDER BY id"
        ).fetchall()
        for entry_id, kind, key, slot, node_id, body in rows:
            postings = tuple(
                Posting(*row)
                for row in connection.execute(
                    "SELECT account, unit, amount FROM postings WHERE entry_id = ? ORDER BY line", (entry_id,)
                )
            )
            digest = content_digest(kind, slot, node_id, body, postings)
            previous = chain_hash(previous, entry_id, key, digest)
            connection.execute(
                "UPDATE entries SET digest = ?, chain = ? WHERE id = ?", (digest, previous, entry_id)
            )
        for _, sql in triggers:
            connection.execute(sql)


def test_forged_micrograms_are_found(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        key, text = connection.execute(
            "SELECT key, body FROM entries WHERE kind = 'slot_end' ORDER BY id DESC LIMIT 1"
        ).fetchone()
    body = json.loads(text)
    body["lines"][0]["operational_ug"] += 1
    forge(old, "UPDATE entries SET body = ? WHERE key = ?", (canonical_json(body), key))
    assert {finding.code for finding in verify(old).findings} == {"lines", "postings", "summary"}


def test_todays_document_keys_do_not_count_in_an_old_ledger(old: Path) -> None:
    forge(
        old,
        "UPDATE entries SET body = replace(body, 'emissions_ug', 'emissions_mg') WHERE key = ?",
        ("slot_end/1",),
    )
    assert {finding.code for finding in verify(old).findings} == {"document"}


def test_an_old_ledger_is_not_continued(old: Path) -> None:
    with pytest.raises(LedgerError, match=f"{MICROGRAMS.name}.*wanted '{CURRENT.name}'"):
        Ledger(old, "test-run")
    assert verify(old).ok


def test_a_format_of_another_version_says_what_can_be_read(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DROP TRIGGER meta_update")
        connection.execute("UPDATE meta SET value = 'detabed-ledger-9' WHERE name = 'format'")
    with pytest.raises(LedgerError, match=r"detabed-ledger-9.*reads detabed-ledger-1, detabed-ledger-2"):
        verify(old)


def test_a_unit_that_is_not_of_the_format_is_refused() -> None:
    with pytest.raises(ValueError, match="'pg' is not one of"):
        MICROGRAMS.posting("atmosphere", "pg", 1)
    assert MICROGRAMS.posting("atmosphere", "ug", 3) == Posting("atmosphere", Unit.PICOGRAMS, 3_000_000)
    assert MICROGRAMS.posting("a", "uJ", 3) == Posting("a", Unit.MICROJOULES, 3)


def test_a_number_of_requests_is_not_taken_for_requests_to_a_language_model() -> None:
    reading = MICROGRAMS.document({"serving": {"service": "digits", "requests": 3}, "requests": 3})
    assert reading == {"serving": [{"service": "digits", "requests": 3}]}
    booking = {"requests": 3, "tokens": 3}
    assert MICROGRAMS.document(booking) == booking
