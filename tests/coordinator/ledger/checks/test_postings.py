"""Forged ledgers: postings that are not those of their document."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import postings
from tests.coordinator.ledger.checks.forging import (
    B0,
    E0,
    Forged,
    Outcomes,
    add,
    append,
    balance,
    body,
    eventful,
    kept,
    key_of,
    line_at,
    one_more,
    post,
    silent,
)

FORGED: dict[str, Forged] = {
    "postings of a kind that has none": Forged(
        "postings",
        "an entry of kind registration books nothing",
        (post("registration/n00/boot1", "node/n00/grid", 5, "node/n00/curtailed"),),
    ),
    "alarm that books": Forged(
        "postings",
        "an entry of kind alarm books nothing",
        (
            append("alarm", "alarm/1", {"alarm": "forged"}),
            post("alarm/1", "node/n00/grid", 5, "node/n00/curtailed"),
        ),
    ),
    "adjustment by another amount": Forged(
        "postings",
        "are not those of the document",
        (append("adjustment", "adjustment/2", {"booked_uj": 0, "reported_uj": 11}, 4, "n04"),),
    ),
    "opening": Forged("postings", "are not those of the document", (body("opening/n00", add("battery_uj")),)),
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
    "line moved to another stage": Forged(
        "postings",
        "node/n00/stage/application/compute: booked 0 uJ, the document says 36000012",
        (body(B0, line_at(0, stage="application")),),
    ),
    "posting that no document explains": Forged(
        "postings",
        "node/n00/curtailed: booked 7 uJ, the document says 0",
        (post(B0, "node/n00/curtailed", 7, "node/n00/grid"),),
    ),
    "line of the network": Forged(
        "postings", "network/stage/development/network: booked", (body(E0, one_more(0, "energy_uj")),)
    ),
    "curtailed": eventful("postings", "curtailed: booked", body("booking/3/n02", balance(curtailed_uj=1))),
    "transfer received otherwise by its recipient": eventful(
        "postings",
        "loss/transfer/n01->n02: booked",
        body("booking/3/n02", lambda b: b["transfers"][0].update(received_uj=1)),
    ),
}


KEPT = kept("postings")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(postings, [outcome(forged) for forged in FORGED.values()]) == []
