"""Forged ledgers: batches that count, and those that are wasted."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import batches
from tests.coordinator.ledger.checks.forging import (
    B0,
    E0,
    LATE,
    U0,
    WASTED,
    Forged,
    Outcomes,
    add,
    body,
    eventful,
    kept,
    negotiated,
    silent,
    summary,
)


def usage_key(node: str, slot: int) -> str:
    """Key of a reading in the negotiated ledger, whose nodes send no telemetry."""
    return f"message/{node}/boot1/{1 + 2 * slot}"


FORGED: dict[str, Forged] = {
    "batches of a stranger": Forged(
        "batches",
        "ran batches of n77, who has no decision",
        (body(U0, lambda b: b["executed"][0].update(owner="n77")),),
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
    "batches of the summary": Forged(
        "batches",
        "24 batches count, decided were 24, summary 25",
        (body(E0, summary("executed_batches", 1)),),
    ),
    "less waste": eventful(
        "batches",
        "n01 ran 6 batches of which 4 count; booked are others",
        body(WASTED, lambda b: b.update(executed_batches=6, wasted_batches=0)),
    ),
    "a late reading that counts": eventful(
        "batches",
        "n02 ran 6 batches of which 0 count; booked are others",
        body(LATE, lambda b: b.update(executed_batches=6, wasted_batches=0)),
    ),
    "own work that was not disclosed": negotiated(
        "batches", "n00 ran", body(usage_key("n00", 0), lambda b: b["own_work"].update(own_batches=1))
    ),
}


KEPT = kept("batches")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(batches, [outcome(forged) for forged in FORGED.values()]) == []
