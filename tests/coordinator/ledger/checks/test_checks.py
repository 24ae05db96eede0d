"""Forged ledgers: each finding of ``verify`` is provoked, and everything that a forgery gives is asserted.

``findings.json`` holds all expected findings of each forgery. When the text of a finding or a valid ledger changes on
purpose, check the difference that the failing test prints and replace the list in the file."""

from __future__ import annotations

import ast
import inspect
import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import canonical_json
from coordinator.ledger.verify import VerifyReport
from coordinator.slots.delivered import COUNTS

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


def transfer(**values: Any) -> Callable[[Body], None]:
    """The first transfer of a trade's outcome, changed."""
    return lambda b: b["transfers"][0].update(values)


def line(index: int, **changes: Any) -> Callable[[Body], None]:
    return lambda b: b["lines"][index].update(changes)


def one_more(index: int, name: str) -> Callable[[Body], None]:
    return lambda b: b["lines"][index].update({name: b["lines"][index][name] + 1})


U0, B0, T0, E0 = key_of("usage", "n00", 0), "booking/0/n00", "trade/0", "slot_end/0"
REGISTRATION = "registration/n00/boot1"


def sensed(lines: str = "measured", **changes: Any) -> Callable[[Body], None]:
    """A reading as if a sensor had given it."""

    def change(b: Body) -> None:
        for line in b["lines"]:
            line["provenance"] = lines
        told = {"kind": "power", "half_width_uj": 9, "bias_uj": 5, "coverage_fraction": 1.0, "gaps": 0}
        b["metered"] = told | {"rate_hz": 10.0, "window_s": 1.0}
        b["metered"]["energy_uj"] = sum(line["energy_uj"] for line in b["lines"])
        b["metered"] |= changes

    return change


def without_user_lines(b: Body) -> None:
    b["lines"] = [line for line in b["lines"] if "users" not in line]


def usage_of(node: str, change: Callable[[Body], None]) -> Change:
    """The first reading of ``node``, changed."""

    def run(connection: sqlite3.Connection) -> None:
        (key,) = connection.execute(
            "SELECT key FROM entries WHERE kind = 'usage' AND node_id = ? ORDER BY id", (node,)
        ).fetchone()
        body(key, change)(connection)

    return run


def own_line(b: Body) -> Body:
    return next(line for line in b["lines"] if line["component"] == "compute")


def router(b: Body) -> Body:
    return next(line for line in b["lines"] if line["node_id"] == "router")


def users_of(owner: str) -> Callable[[Body], None]:
    """The first line of somebody's users, given to those of ``owner``."""
    return lambda b: next(line for line in b["lines"] if "users" in line).update(users=owner)


def renamed_run(b: Body) -> None:
    b["config"]["run_id"] = "other"


def adjusted_by(cause: str) -> Change:
    """The first adjustment, given another cause."""

    def run(connection: sqlite3.Connection) -> None:
        (key,) = connection.execute("SELECT key FROM entries WHERE kind = 'adjustment'").fetchone()
        body(key, lambda b: b.update(cause=cause))(connection)

    return run


def shifted_grams(b: Body) -> None:
    one, two = (line for line in b["lines"] if line["node_id"] == "n00")
    assert one["operational_pg"] > 1000
    one["operational_pg"] -= 1000
    two["operational_pg"] += 1000


FORGED = {
    # --- checks: batteries, openings, epochs -----------------------------------------------------------------
    "battery below zero": Forged(
        "battery",
        "node/n00/battery falls below 0",
        (post(B0, "node/n00/battery", -(10**12), "node/n00/curtailed"),),
    ),
    "postings of a kind that has none": Forged(
        "postings",
        "an entry of kind registration books nothing",
        (post("registration/n00/boot1", "node/n00/grid", 5, "node/n00/curtailed"),),
    ),
    "epoch skipped": Forged("epoch", "epoch 3 follows 0", (body("start/1", lambda b: b.update(epoch=3)),)),
    "alarm that books": Forged(
        "postings",
        "an entry of kind alarm books nothing",
        (
            append("alarm", "alarm/1", {"alarm": "forged"}),
            post("alarm/1", "node/n00/grid", 5, "node/n00/curtailed"),
        ),
    ),
    "adjustment from another content": Forged(
        "battery",
        "adjusts from 7 uJ, the books held",
        (append("adjustment", "adjustment/1", {"booked_uj": 7, "reported_uj": 7}, 4, "n00"),),
    ),
    "adjustment by another amount": Forged(
        "postings",
        "are not those of the document",
        (append("adjustment", "adjustment/2", {"booked_uj": 0, "reported_uj": 11}, 4, "n04"),),
    ),
    "opening": Forged("postings", "are not those of the document", (body("opening/n00", add("battery_uj")),)),
    # --- decisions and messages ------------------------------------------------------------------------------
    "slot left out": Forged(
        "order",
        "slot 7 is decided after 3 slots",
        (sql("UPDATE entries SET slot = 7 WHERE key = 'decision/3'"),),
    ),
    "decided too early": Forged(
        "order",
        "slot 1 is decided before slot 0 ended",
        (sql("UPDATE entries SET slot = 5 WHERE key = 'slot_end/0'"),),
    ),
    "epoch of a decision": Forged(
        "epoch",
        "decided in epoch 2, it was 1",
        (body("decision/1", lambda b: b["plan"].update(epoch=2)),),
    ),
    "number of a message": Forged(
        "keys", "the key is not that of the message", (body(U0, add("seq", 1000)),)
    ),
    "boot of a telemetry": Forged(
        "keys",
        "the key is not that of the message",
        (body(key_of("telemetry", "n01", 0), lambda b: b.update(boot_id="boot2")),),
    ),
    "usage before its decision": Forged(
        "order",
        "usage of n00 for slot 0 without a durable decision before it",
        (sql("UPDATE entries SET slot = 9 WHERE key = 'decision/0'"),),
    ),
    "epoch of a usage": Forged("epoch", "usage says epoch 2, decided was 1", (body(U0, add("epoch")),)),
    "second usage": Forged(
        "keys", "a second usage of n00 for slot 3", (copy(key_of("usage", "n00", 3), "message/n00/boot1/99"),)
    ),
    "batches of a stranger": Forged(
        "batches",
        "ran batches of n77, who has no decision",
        (body(U0, lambda b: b["executed"][0].update(owner="n77")),),
    ),
    "settlement without its usage": Forged(
        "order",
        "settlement of n00 for slot 0 without its usage",
        (sql(f"UPDATE entries SET slot = 9 WHERE key = '{U0}'"),),
    ),
    # --- transfers -------------------------------------------------------------------------------------------
    "transfer left out": Forged(
        "transfers",
        "the outcome does not name the decided transfers one by one",
        (body(T0, lambda b: b["transfers"].pop()),),
    ),
    "more received than sent": Forged(
        "transfers", "uJ sent arrive", (body(T0, transfer(received_uj=20_500_005)),)
    ),
    "more sent than decided": Forged(
        "transfers", "uJ sent arrive", (body(T0, transfer(sent_uj=20_500_005)),)
    ),
    "less than nothing received": Forged("transfers", "-1 of", (body(T0, transfer(received_uj=-1)),)),
    "void without a reason": Forged(
        "transfers",
        " is void without a reason",
        (body(T0, transfer(sent_uj=0, received_uj=0)),),
    ),
    "export that no transfer explains": Forged(
        "transfers",
        "export and import are not those of the node's transfers",
        (body(B0, lambda b: b["transfers"].clear()),),
    ),
    "leg of another amount": Forged(
        "transfers",
        ": legs booked {'out'",
        (body(T0, transfer(received_uj=19_487_302)),),
    ),
    "transfer that stays open": Forged(
        "transfers",
        "transfer/n00->n03 still holds 7 uJ after the slot",
        (post(B0, "transfer/n00->n03", 7, "node/n00/curtailed"),),
    ),
    "slot without an outcome": Forged(
        "transfers", "the slot ended without an outcome of its transfers", (remove(T0),)
    ),
    # --- bookings --------------------------------------------------------------------------------------------
    "gap that books": Forged(
        "postings",
        "an entry of kind gap books nothing",
        (post("gap/3/n03", "node/n03/grid", 5, "node/n03/curtailed"),),
    ),
    "reading that books": Forged(
        "postings",
        "an entry of kind usage books nothing",
        (post(key_of("usage", "n02", 3), "node/n02/grid", 5, "node/n02/curtailed"),),
    ),
    "booked twice": Forged(
        "keys", "n00 is booked twice for slot 3", (copy("booking/3/n00", "booking/3/n00/2"),)
    ),
    "booked without a usage": Forged(
        "order", "booked without a usage of n02 for slot 3", (remove(key_of("usage", "n02", 3)),)
    ),
    "battery begins elsewhere": Forged(
        "battery",
        "n00 begins with 100000008 uJ, the books held 100000003 uJ",
        (body(B0, balance(battery_before_uj=5, battery_after_uj=5)),),
    ),
    "another demand": Forged(
        "reading", "books another demand than the", (body(B0, balance(demand_uj=1, grid_uj=1)),)
    ),
    "another line": Forged("reading", "books another demand than the", (body(B0, one_more(0, "energy_uj")),)),
    "another harvest": Forged(
        "reading", "books another harvest than the 41000007 uJ metered", (body(B0, balance(harvest_uj=1)),)
    ),
    "grid energy of the lines": Forged(
        "reading", "the lines' grid energy is not the node's", (body(B0, one_more(0, "grid_uj")),)
    ),
    "a sensor that read something else": Forged(
        "reading",
        "reading of n00: the meter read 1000 uJ, its lines are",
        (body(U0, sensed(energy_uj=1_000)),),
    ),
    "modelled joules under a sensor's name": Forged(
        "reading", "its lines are not of a sensor of kind 'power'", (body(U0, sensed(lines="modelled")),)
    ),
    "a kind of sensor that there is not": Forged(
        "reading", "its lines are not of a sensor of kind 'guess'", (body(U0, sensed(kind="guess")),)
    ),
    "an estimate with an interval": Forged(
        "reading", "an estimate has an interval", (body(U0, sensed(kind="estimate", lines="modelled")),)
    ),
    "a bias above its half width": Forged(
        "reading", "an interval of 4 uJ on either side, 5 uJ of it bias", (body(U0, sensed(half_width_uj=4)),)
    ),
    "a measurement without an interval": Forged(
        "reading", "an interval of None uJ on either side", (body(U0, sensed(half_width_uj=None)),)
    ),
    "more than all of a window": Forged(
        "reading", "1.5 of 1.0 s covered at 10.0 samples", (body(U0, sensed(coverage_fraction=1.5)),)
    ),
    "tokens that were not generated": Forged(
        "delivered",
        "as delivered, the reading makes it {'text': ",
        (body(B0, lambda b: (b["services"][0].update(tokens_out=10**9), b.update(tokens_out=10**9))),),
    ),
    "tokens of no service": Forged(
        "delivered", "are not the sums of those of the services", (body(B0, add("tokens_in")),)
    ),
    "(D1)": Forged("identity", "(D1)", (body(B0, balance(green_uj=1)),)),
    "(D2) harvest": Forged("identity", "(D2)", (body(B0, balance(harvest_uj=1)),)),
    "(D2) curtailed": Forged("identity", "(D2)", (body(B0, balance(curtailed_uj=1)),)),
    "(D3) charge loss": Forged("identity", "(D3)", (body(B0, balance(charge_loss_uj=1)),)),
    "(D3) after": Forged("identity", "(D3)", (body(B0, balance(battery_after_uj=1)),)),
    "line moved to another stage": Forged(
        "postings",
        "node/n00/stage/application/compute: booked 0 uJ, the document says 36000012",
        (body(B0, line(0, stage="application")),),
    ),
    "posting that no document explains": Forged(
        "postings",
        "node/n00/curtailed: booked 7 uJ, the document says 0",
        (post(B0, "node/n00/curtailed", 7, "node/n00/grid"),),
    ),
    "executed batches": Forged(
        "batches",
        "n00 ran 12 batches of which 12 count; booked are others",
        (body(B0, add("executed_batches")),),
    ),
    "wasted batches": Forged(
        "batches",
        "n00 ran 12 batches of which 12 count; booked are others",
        (body(B0, add("wasted_batches")),),
    ),
    # --- ends of slots, the whole ----------------------------------------------------------------------------
    "line of the network": Forged(
        "postings", "network/stage/development/network: booked", (body(E0, one_more(0, "energy_uj")),)
    ),
    "neither booking nor gap": Forged(
        "gaps", "n03 has neither or both of a booking and a gap", (remove("gap/3/n03"),)
    ),
    "both booking and gap": Forged(
        "gaps",
        "n02 has neither or both of a booking and a gap",
        (sql("UPDATE entries SET node_id = 'n02' WHERE key = 'gap/3/n03'"),),
    ),
    "batches of the summary": Forged(
        "batches",
        "24 batches count, decided were 24, summary 25",
        (body(E0, summary("executed_batches", 1)),),
    ),
    "emissions of the summary": Forged(
        "summary", "the lines sum to", (body(E0, summary("emissions_pg", 1)),)
    ),
    "atmosphere": Forged(
        "sums",
        "pg in the atmosphere",
        (
            sql(
                "UPDATE postings SET amount = amount + 1 WHERE account = 'atmosphere' AND entry_id = "
                "(SELECT id FROM entries WHERE key = 'slot_end/0')"
            ),
        ),
    ),
    "reading in no booking": Forged(
        "reading", "the reading of n02 is in no booking", (remove("booking/3/n02"),)
    ),
    # --- the file --------------------------------------------------------------------------------------------
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
    "zone of another node": Forged(
        "lines", "zone or intensity are not those of n00", (body(B0, lambda b: b.update(zone="Z1")),)
    ),
    "intensity of another slot": Forged(
        "lines", "zone or intensity are not those", (body(B0, lambda b: b.update(intensity_g_per_kwh=7.5)),)
    ),
    "answers without their cost": Forged(
        "lines", "the lines beside n00's own are not those", (body(B0, without_user_lines),)
    ),
    "more bytes than the radio carried": Forged(
        "lines",
        "the lines beside n00's own are not those",
        (usage_of("n00", lambda b: b["users"][0].update(up_bytes=b["users"][0]["up_bytes"] + 50_000)),),
    ),
    "compute called static": Forged(
        "lines", "lines are not those metered", (body(B0, lambda b: own_line(b).update(component="static")),)
    ),
    "fewer grams": Forged(
        "lines",
        "emissions are not (L1) of the node's grid energy",
        (body("booking/1/n01", lambda b: b["lines"][0].update(operational_pg=1)),),
    ),
    "grams moved to another line": Forged(
        "lines", "has another share than its energy's", (body(B0, shifted_grams),)
    ),
    "network of a parcel": Forged(
        "lines",
        "the network's lines are not those of the slot's bytes",
        (body("slot_end/0", lambda b: b["parcels"][0].update(payload_bytes=77)),),
    ),
    "cheaper router": Forged(
        "lines",
        "the line of the router does not follow from its power",
        (body("slot_end/0", lambda b: router(b).update(energy_uj=1, grid_uj=1, operational_pg=0)),),
    ),
    "end cut off": Forged(
        "truncated",
        "83 entries were written, 82 are there",
        (sql("DELETE FROM entries WHERE key = 'slot_end/3'"),),
        hashes=False,
    ),
}


def eventful(code: str, text: str, *changes: Change) -> Forged:
    """Slot 0: n01 wasted two of six batches and served outside clients; slot 1: n02 late; slot 2: n01 by estimate."""
    return Forged(code, text, changes, ledger="eventful")


def live(code: str, text: str, *changes: Change) -> Forged:
    return Forged(code, text, changes, ledger="live")


def negotiated(code: str, text: str, *changes: Change) -> Forged:
    return Forged(code, text, changes, ledger="negotiated")


def timed(text: str, *changes: Change) -> Forged:
    return Forged("wall", text, changes, ledger="timed")


DRIFT = {"booked_uj": 0, "reported_uj": 0, "cause": "x", "was_read": True}


def panel(energy_uj: int) -> Body:
    known = {"kind": "power", "energy_uj": energy_uj, "half_width_uj": 9, "bias_uj": 0, "rate_hz": 1.0}
    return {**known, "coverage_fraction": 1.0, "gaps": 0, "window_s": 60.0}


CLOCK = {"boot_id": "boot1", "epoch": 1, "next_slot": 4, "at_ns": 1, "offset_ns": 2} | {
    "uncertainty_ns": 3,
    "round_trips": 16,
}


def clock(text: str, **changes: Any) -> Forged:
    return Forged("clock", text, (body("clock/n00/1/16", lambda b: b.update(changes)),), ledger="timed")


def estimate(usage: Body, **changes: Any) -> Body:
    """What a sensor says of a reading that it estimated."""
    known = {"kind": "estimate", "half_width_uj": None, "bias_uj": None, "rate_hz": 1.0, "gaps": 0}
    total = sum(line["energy_uj"] for line in usage["lines"])
    return {**known, "energy_uj": total, "coverage_fraction": 1.0, "window_s": 60.0, **changes}


def line_of(component: str, holder: str = "", /, **changes: Any) -> Callable[[Body], None]:
    """The first line of a component (and holder), changed; a number is added to what is there."""

    def change(b: Body) -> None:
        found = next(
            each for each in b["lines"] if each["component"] == component and holder in ("", each["node_id"])
        )
        found.update({name: found[name] + v if isinstance(v, int) else v for name, v in changes.items()})

    return change


def service(index: int, name: str, by: int) -> Callable[[Body], None]:
    """A figure of one service, and the sum of all services with it."""

    def change(b: Body) -> None:
        b["services"][index][name] += by
        b[name] += by

    return change


def usage_key(node: str, slot: int) -> str:
    """Key of a reading in the negotiated ledger, whose nodes send no telemetry."""
    return f"message/{node}/boot1/{1 + 2 * slot}"


WASTED, LATE, ESTIMATED = "booking/0/n01", "booking/1/n02", "booking/2/n01"
FORGED |= {
    "waste called compute": eventful(
        "lines",
        "lines are not those metered, 2 batches being waste",
        body(WASTED, line_of("waste", component="compute")),
    ),
    "a microjoule of waste called compute": eventful(
        "lines",
        "lines are not those metered, 2 batches being waste",
        body(WASTED, lambda b: (line_of("waste", energy_uj=-1)(b), line_of("compute", energy_uj=1)(b))),
    ),
    "less waste": eventful(
        "batches",
        "n01 ran 6 batches of which 4 count; booked are others",
        body(WASTED, lambda b: b.update(executed_batches=6, wasted_batches=0)),
    ),
    **{
        f"{name} of wasted batches": eventful(
            "delivered", "as delivered, the reading makes it", body(WASTED, service(0, name, 1))
        )
        for name in ("requests", "tokens_in", "tokens_out", "bits")
    },
    **{
        f"{name} of outside clients": eventful(
            "delivered", "as delivered, the reading makes it", body(WASTED, service(1, name, -1))
        )
        for name in ("requests", "tokens_in", "tokens_out", "bits")
    },
    "outside clients left out": eventful(
        "delivered", "as delivered, the reading makes it", body(WASTED, lambda b: b["services"].pop())
    ),
    "delivered by a late reading": eventful(
        "delivered",
        "as delivered, the reading makes it {}",
        body(LATE, lambda b: b.update(services=[{"service": "text", **dict.fromkeys(COUNTS, 0)}])),
    ),
    "a late reading that counts": eventful(
        "batches",
        "n02 ran 6 batches of which 0 count; booked are others",
        body(LATE, lambda b: b.update(executed_batches=6, wasted_batches=0)),
    ),
    "a late reading booked as in time": eventful(
        "delivered",
        "counts [] as delivered, the reading makes it {'text': {'requests': 0, ",
        body(LATE, lambda b: b.update(late=False)),
    ),
    "network of a late parcel": eventful(
        "lines",
        "the lines beside n02's own are not those",
        body(LATE, line_of("network", "network", energy_uj=2, grid_uj=2)),
    ),
    "an estimate with a green joule": eventful(
        "identity", "(D1)", body(ESTIMATED, balance(green_uj=5, curtailed_uj=-5))
    ),
    "an adjustment of another node": eventful(
        "battery",
        "adjusts from",
        sql("UPDATE entries SET node_id = 'n00' WHERE key LIKE 'adjustment/n02/%'"),
    ),
    "epoch of one decision": eventful(
        "epoch", "decided in epoch 0, it was 1", body("decision/2", lambda b: b["plan"].update(epoch=0))
    ),
    "a second decision of a slot": eventful(
        "order", "slot 3 is decided after 4 slots", copy("decision/3", "decision/3/2")
    ),
    "a settlement twice": eventful(
        "keys",
        "the key is not that of the message",
        copy(key_of("settlement", "n00", 3), "message/n00/boot1/99"),
    ),
    "users' devices at another zone": eventful(
        "lines",
        "the lines beside n01's own are not those",
        body("booking/3/n01", line_of("radio_tx", "devices", zone="Z0")),
    ),
    "users' devices hear less": eventful(
        "lines",
        "the lines beside n01's own are not those",
        body("booking/3/n01", line_of("radio_rx", "devices", energy_uj=-1, grid_uj=-1)),
    ),
    "network of a model": eventful(
        "lines",
        "the lines beside n00's own are not those",
        body("booking/3/n00", lambda b: b["lines"].pop(2)),
    ),
    "network of users": eventful(
        "lines",
        "the lines beside n00's own are not those",
        body("booking/3/n00", lambda b: b["lines"].pop()),
    ),
    "coordinator below its static power": eventful(
        "lines",
        "the line of the coordinator does not follow from its power",
        body("slot_end/3", line_of("coordinator", energy_uj=-200_000, grid_uj=-200_000)),
    ),
    "coordinator in another zone": eventful(
        "lines",
        "the line of the coordinator does not follow from its power",
        body("slot_end/3", line_of("coordinator", zone="Z1")),
    ),
    "a picogram of the router": eventful(
        "lines",
        "the line of the router does not follow from its power",
        body("slot_end/3", line_of("router", operational_pg=1)),
    ),
    "a parcel left out": eventful(
        "lines",
        "the network's lines are not those",
        body("slot_end/3", lambda b: b["parcels"].pop()),
    ),
    "a line of a node in another zone": eventful(
        "lines",
        "development/compute has another share than its energy's",
        body("booking/3/n00", line_of("compute", zone="Z1")),
    ),
    "a line of a node with three microjoules more of the grid": eventful(
        "lines",
        "development/compute has another share than its energy's",
        body(
            "booking/3/n00",
            lambda b: (line_of("compute", grid_uj=3)(b), line_of("static", grid_uj=-3)(b)),
        ),
    ),
    "grid of an executor": eventful("identity", "(D1)", body("booking/3/n02", balance(grid_uj=1))),
    "discharge loss": eventful("identity", "(D3)", body("booking/3/n02", balance(discharge_loss_uj=1))),
    "self-discharge": eventful("identity", "(D3)", body("booking/3/n02", balance(self_discharge_uj=1))),
    "curtailed": eventful("postings", "curtailed: booked", body("booking/3/n02", balance(curtailed_uj=1))),
    "import": eventful(
        "transfers", "export and import are not those", body("booking/3/n02", balance(import_uj=1))
    ),
    "export": eventful(
        "transfers", "export and import are not those", body("booking/3/n02", balance(export_uj=1))
    ),
    "transfer received otherwise by its recipient": eventful(
        "postings",
        "loss/transfer/n01->n02: booked",
        body("booking/3/n02", lambda b: b["transfers"][0].update(received_uj=1)),
    ),
    "own work that was not disclosed": negotiated(
        "batches", "n00 ran", body(usage_key("n00", 0), lambda b: b["own_work"].update(own_batches=1))
    ),
    "a byte of a market": negotiated(
        "lines",
        "the network's lines are not those",
        body("decision/1", lambda b: b["market"]["up_bytes"].update(n00=b["market"]["up_bytes"]["n00"] + 1)),
    ),
    "a byte to a market": negotiated(
        "lines",
        "the network's lines are not those",
        body(
            "decision/1", lambda b: b["market"]["down_bytes"].update(n01=b["market"]["down_bytes"]["n01"] + 1)
        ),
    ),
    "a market that cost nothing": negotiated(
        "lines", "the network's lines are not those", body("decision/1", lambda b: b.update(market=None))
    ),
    "negotiation called network": negotiated(
        "lines",
        "the network's lines are not those",
        body("slot_end/1", line_of("negotiation", component="network")),
    ),
    "a board that is switched, and nothing said of it": Forged(
        "sleep",
        "sleep of n00 is command, and its reading says nothing of its board",
        (body("registration/n00/boot1", lambda b: b["profile"].update(sleep="command")),),
    ),
    "sleep of a board that cannot": Forged(
        "sleep",
        "energy of sleep of n00, and it cannot sleep",
        (
            body("registration/n00/boot1", lambda b: b["profile"].update(sleep="none")),
            usage_of("n00", lambda b: b["lines"][1].update(component="sleep")),
        ),
    ),
}
FORGED |= {
    # --- agreement of documents, and summaries ------------------------------------------------------------------
    "registered under another name": Forged(
        "agreement", "registers n09", (body(REGISTRATION, lambda b: b.update(node_id="n09")),)
    ),
    "message of another slot": Forged(
        "agreement", "is entered for slot 0", (body(U0, lambda b: b.update(slot=1)),)
    ),
    "key of a registration": Forged(
        "keys",
        "not that of the registration",
        (sql(f"UPDATE entries SET key = '{REGISTRATION}x' WHERE key = '{REGISTRATION}'"),),
    ),
    "message of a start that never registered": Forged(
        "agreement",
        "never registered",
        (body(REGISTRATION, lambda b: b.update(boot_id=b["boot_id"] + "0")),),
    ),
    "telemetry of another battery": Forged(
        "battery", "tells of 1 uJ", (body(key_of("telemetry", "n00", 0), lambda b: b.update(battery_uj=1)),)
    ),
    "settlement of another epoch": Forged(
        "epoch", "settled in epoch 2", (body(key_of("settlement", "n00", 0), lambda b: b.update(epoch=2)),)
    ),
    "settlement of another balance": Forged(
        "agreement",
        "not the one that the node settled",
        (body(key_of("settlement", "n00", 0), lambda b: b.update(curtailed_uj=b["curtailed_uj"] + 1)),),
    ),
    "stage of a decision": Forged(
        "agreement", "not as configured", (body("decision/0", lambda b: b.update(stage="recycling")),)
    ),
    "slot of a plan": Forged(
        "agreement", "its plan is of slot 3", (body("decision/0", lambda b: b["plan"].update(slot=3)),)
    ),
    "stage of one decision": Forged(
        "agreement",
        "n00 is told another slot, stage or epoch",
        (body("decision/0", lambda b: b["plan"]["decisions"][0].update(stage="recycling")),),
    ),
    "nodes of a decision": Forged(
        "agreement", "is for ['n01'", (body("decision/0", lambda b: b["node_ids"].remove("n00")),)
    ),
    "a guest that nobody sends": eventful(
        "agreement",
        "executors expect",
        body("decision/0", lambda b: b["plan"]["decisions"][1]["guests"][0].update(batches=99)),
    ),
    "an export that no transfer has": Forged(
        "agreement",
        "nodes are told",
        (body("decision/0", lambda b: b["plan"]["decisions"][0].update(export_uj=12345)),),
    ),
    "batches named otherwise": Forged(
        "agreement",
        "the batches that it names",
        (body(B0, lambda b: b["executed"].append(["n01", 0])),),
    ),
    "model bytes": Forged(
        "agreement", "other model bytes", (body(B0, lambda b: b.update(model_bytes=b["model_bytes"] + 1)),)
    ),
    "reading of another message": Forged(
        "agreement", "its reading is message/n00", (body(B0, lambda b: b.update(reading="message/n00/x/1")),)
    ),
    "called an estimate": Forged(
        "agreement", "estimated exactly where", (body(B0, lambda b: b.update(estimated=True)),)
    ),
    "a modelled joule called measured": Forged(
        "agreement", "static is measured, allowed is", (body(B0, line_of("static", provenance="measured")),)
    ),
    "a shared joule called measured": Forged(
        "agreement",
        "coordinator is measured",
        (body("slot_end/0", line_of("coordinator", provenance="measured")),),
    ),
    "users of another node": eventful(
        "agreement", "has lines for users of", body("booking/0/n01", users_of("n09"))
    ),
    "a start that never registered": negotiated(
        "agreement", "never registered", body("decision/0", lambda b: b["boots"].update(n00="boot9"))
    ),
    "a gap called measured": Forged(
        "agreement", "a gap is measured", (body("gap/3/n03", lambda b: b.update(provenance="measured")),)
    ),
    "cause of an adjustment": eventful("keys", "the adjustment's cause", adjusted_by("message/n09/x/1")),
    "transfer of a booking": eventful(
        "agreement",
        "its transfers are not those",
        body("booking/3/n02", lambda b: b["transfers"][0].update(reason="for nothing")),
    ),
    "parcels of a slot": eventful(
        "agreement", "names parcels", body("slot_end/0", lambda b: b["parcels"][0].update(batches=99))
    ),
    "another run": Forged("run", "is of run 'other'", (body("start/1", renamed_run),)),
    "batches moved in a summary": Forged(
        "summary",
        "moved_batches is",
        (body("slot_end/0", lambda b: b["summary"].update(moved_batches=b["summary"]["moved_batches"] + 1)),),
    ),
    "a duration on the virtual clock": Forged(
        "wall", "in a run on the virtual clock", (body(U0, lambda b: b.update(duration_s=60.0)),)
    ),
    "a slot without a duration": timed("says None of its duration", body(E0, lambda b: b.pop("wall"))),
    "another window than the slot's": timed(
        "its meter's window 59.0 s", body(U0, lambda b: b.update(metered=estimate(b, window_s=59.0)))
    ),
    "a missed slot said to be held": timed(
        "tells 2 of 3 nodes it was missed",
        body("decision/2", lambda b: b["plan"]["decisions"][0].pop("missed")),
    ),
    "work that overran its slot's end": timed(
        "overran by 5 s, and ended 0 s after", body(E0, lambda b: b["wall"].update(overrun_s=5.0))
    ),
    "work done and not done": timed(
        "leaves 1 batches undone, its entries 0", body(E0, lambda b: b["wall"].update(undone_batches=1))
    ),
    "another harvest than the panel's": Forged(
        "reading",
        "the panel's meter read",
        (body(U0, lambda b: b.update(harvest_metered=panel(b["harvest_uj"] + 1))),),
    ),
    "a battery read without a gauge": Forged(
        "battery",
        "says that n00 read its battery, which has no gauge",
        (body("message/n00/boot1/1", lambda b: b.update(battery_was_read=True)),),
    ),
    "a drift without a gauge": Forged(
        "battery",
        "books a drift of n04, whose battery has no gauge",
        (append("adjustment", "adjustment/n04/x", DRIFT, 4, "n04"),),
    ),
    "a clock on the virtual clock": Forged(
        "clock", "in a run on the virtual clock", (append("clock", "clock/n00/1/9", CLOCK, node="n00"),)
    ),
    "a clock of another start": clock("is of start boot0 in epoch 1", boot_id="boot0"),
    "a clock read in another slot": clock("was read before slot 3; the next was 0", next_slot=3),
    "a clock read without asking": clock("by 0 ways there and back", round_trips=0),
    "a clock that nobody knows": clock("holds n00, whose clock was known to 7 s", uncertainty_ns=7 * 10**9),
    "another node's clock": Forged(
        "keys",
        "the key is not that of the node's clock",
        (sql("UPDATE entries SET key = 'clock/n01/1/16' WHERE key = 'clock/n00/1/16'"),),
        ledger="timed",
    ),
    "signals of other zones": live(
        "signals",
        "its zones are not those of the run's live signals",
        body("signal/1", lambda b: b["marginal"][0].update(zone="Z9")),
    ),
    "signals out of order": live(
        "order",
        "intensities of slot 7 are frozen out of order",
        sql("UPDATE entries SET key = 'signal/7', slot = 7 WHERE key = 'signal/1'"),
    ),
    "an intensity called fresh": live(
        "signals",
        "age and flags of Z0 are not those of its times",
        body("signal/0", lambda b: b["zones"][0].update(stale=False)),
    ),
    "an intensity older than allowed": live(
        "signals",
        "Z1 is older than the run allows",
        body("start/1", lambda b: b["config"]["live"]["signals"][1].update(keep=False)),
    ),
    "a decision without intensities": live(
        "order", "slot 1 is decided before its intensities are frozen", remove("signal/1")
    ),
}
BY_COLUMN = "coordinator.ledger.checks.columns"
"""Findings about slots by column are in test_columns."""
ELSEWHERE = ("truncated: f'has ", "anchor: ", "file: ", "requests: ")
"""Findings tested in test_verify (anchor stored elsewhere, and broken pages), and in test_readings (requests)."""


FINDINGS = Path(__file__).with_name("findings.json")
"""All findings of each forged ledger."""


def said(report: VerifyReport) -> list[str]:
    return [str(finding).replace(report.path, "FILE") for finding in report.findings]


def forge(path: Path, forged: Forged, tamper: Any) -> VerifyReport:
    def run(connection: sqlite3.Connection) -> None:
        for change in forged.changes:
            change(connection)

    tamper(path, run, hashes=forged.hashes, guards=forged.code != "guards")
    return verify(path)


@pytest.mark.parametrize("name", list(FORGED))
def test_each_forgery_gives_its_findings_and_no_other(
    tmp_path: Path, tamper: Any, name: str, request: pytest.FixtureRequest
) -> None:
    """The finding it was made for, by hand, and the whole list as it was read and kept in ``findings.json``."""
    forged = FORGED[name]
    path = tmp_path / "copy.sqlite"
    path.write_bytes(request.getfixturevalue(forged.ledger))
    report = forge(path, forged, tamper)
    found = [finding for finding in report.findings if finding.code == forged.code]
    assert any(forged.text in str(finding) for finding in found), said(report)
    if forged.hashes:
        assert not {"chain", "content"} & {finding.code for finding in found}
    assert said(report) == json.loads(FINDINGS.read_text(encoding="utf-8"))[name]
    assert report.finding_count == len(report.findings)


def test_no_kept_findings_are_without_their_forgery() -> None:
    assert list(json.loads(FINDINGS.read_text(encoding="utf-8"))) == list(FORGED)


def _sites(module: ModuleType) -> dict[tuple[str, int], str]:
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


def test_no_finding_is_without_a_forged_ledger(
    tmp_path: Path, tamper: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Without this test, a check could be removed with all tests passing."""
    fired: set[tuple[str, int]] = set()
    original = VerifyReport.add

    def spy(report: VerifyReport, code: str, where: str, text: str) -> None:
        frame = sys._getframe(1)
        fired.add((frame.f_code.co_filename, frame.f_lineno))
        original(report, code, where, text)

    monkeypatch.setattr(VerifyReport, "add", spy)
    for number, forged in enumerate(FORGED.values()):
        path = tmp_path / f"{number}.sqlite"
        path.write_bytes(request.getfixturevalue(forged.ledger))
        forge(path, forged, tamper)
    sites = {
        place: text
        for name in (
            *(n for n in sys.modules if n.startswith("coordinator.ledger.checks.") and n != BY_COLUMN),
            "coordinator.ledger.verify",
        )
        for place, text in _sites(sys.modules[name]).items()
    }
    assert len(sites) > 45
    silent = sorted(t for place, t in sites.items() if place not in fired and not t.startswith(ELSEWHERE))
    assert silent == []
