"""Forged ledgers: content of batteries, and balances of green energy."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import batteries
from tests.coordinator.ledger.checks.forging import (
    B0,
    Forged,
    Outcomes,
    append,
    balance,
    body,
    eventful,
    kept,
    post,
    silent,
    sql,
)

DRIFT = {"booked_uj": 0, "reported_uj": 0, "cause": "x", "was_read": True}


ESTIMATED = "booking/2/n01"


FORGED: dict[str, Forged] = {
    "battery below zero": Forged(
        "battery",
        "node/n00/battery falls below 0",
        (post(B0, "node/n00/battery", -(10**12), "node/n00/curtailed"),),
    ),
    "adjustment from another content": Forged(
        "battery",
        "adjusts from 7 uJ, the books held",
        (append("adjustment", "adjustment/1", {"booked_uj": 7, "reported_uj": 7}, 4, "n00"),),
    ),
    "battery begins elsewhere": Forged(
        "battery",
        "n00 begins with 100000008 uJ, the books held 100000003 uJ",
        (body(B0, balance(battery_before_uj=5, battery_after_uj=5)),),
    ),
    "(D1)": Forged("identity", "(D1)", (body(B0, balance(green_uj=1)),)),
    "(D2) harvest": Forged("identity", "(D2)", (body(B0, balance(harvest_uj=1)),)),
    "(D2) curtailed": Forged("identity", "(D2)", (body(B0, balance(curtailed_uj=1)),)),
    "(D3) charge loss": Forged("identity", "(D3)", (body(B0, balance(charge_loss_uj=1)),)),
    "(D3) after": Forged("identity", "(D3)", (body(B0, balance(battery_after_uj=1)),)),
    "an estimate with a green joule": eventful(
        "identity", "(D1)", body(ESTIMATED, balance(green_uj=5, curtailed_uj=-5))
    ),
    "an adjustment of another node": eventful(
        "battery",
        "adjusts from",
        sql("UPDATE entries SET node_id = 'n00' WHERE key LIKE 'adjustment/n02/%'"),
    ),
    "grid of an executor": eventful("identity", "(D1)", body("booking/3/n02", balance(grid_uj=1))),
    "discharge loss": eventful("identity", "(D3)", body("booking/3/n02", balance(discharge_loss_uj=1))),
    "self-discharge": eventful("identity", "(D3)", body("booking/3/n02", balance(self_discharge_uj=1))),
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
}


KEPT = kept("batteries")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(batteries, [outcome(forged) for forged in FORGED.values()]) == []
