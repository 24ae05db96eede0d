"""Forged ledgers: order of entries, epochs and keys."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import order
from tests.coordinator.ledger.checks.forging import (
    U0,
    Forged,
    Outcomes,
    add,
    body,
    copy,
    eventful,
    kept,
    key_of,
    remove,
    silent,
    sql,
)

FORGED: dict[str, Forged] = {
    "epoch skipped": Forged("epoch", "epoch 3 follows 0", (body("start/1", lambda b: b.update(epoch=3)),)),
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
    "settlement without its usage": Forged(
        "order",
        "settlement of n00 for slot 0 without its usage",
        (sql(f"UPDATE entries SET slot = 9 WHERE key = '{U0}'"),),
    ),
    "booked twice": Forged(
        "keys", "n00 is booked twice for slot 3", (copy("booking/3/n00", "booking/3/n00/2"),)
    ),
    "booked without a usage": Forged(
        "order", "booked without a usage of n02 for slot 3", (remove(key_of("usage", "n02", 3)),)
    ),
    "neither booking nor gap": Forged(
        "gaps", "n03 has neither or both of a booking and a gap", (remove("gap/3/n03"),)
    ),
    "both booking and gap": Forged(
        "gaps",
        "n02 has neither or both of a booking and a gap",
        (sql("UPDATE entries SET node_id = 'n02' WHERE key = 'gap/3/n03'"),),
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
}


KEPT = kept("order")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(order, [outcome(forged) for forged in FORGED.values()]) == []
