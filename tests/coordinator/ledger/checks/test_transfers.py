"""Forged ledgers: energy given and received."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coordinator.ledger.checks import transfers
from tests.coordinator.ledger.checks.forging import (
    B0,
    Body,
    Forged,
    Outcomes,
    balance,
    body,
    eventful,
    kept,
    post,
    remove,
    silent,
)


def transfer(**values: Any) -> Callable[[Body], None]:
    """The first transfer of a trade's outcome, changed."""
    return lambda b: b["transfers"][0].update(values)


T0 = "trade/0"


FORGED: dict[str, Forged] = {
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
    "import": eventful(
        "transfers", "export and import are not those", body("booking/3/n02", balance(import_uj=1))
    ),
    "export": eventful(
        "transfers", "export and import are not those", body("booking/3/n02", balance(export_uj=1))
    ),
}


KEPT = kept("transfers")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(transfers, [outcome(forged) for forged in FORGED.values()]) == []
