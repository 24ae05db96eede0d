"""Forged ledgers: the summary of a slot."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import summaries
from tests.coordinator.ledger.checks.forging import Forged, Outcomes, body, kept, silent

FORGED: dict[str, Forged] = {
    "batches moved in a summary": Forged(
        "summary",
        "moved_batches is",
        (body("slot_end/0", lambda b: b["summary"].update(moved_batches=b["summary"]["moved_batches"] + 1)),),
    ),
}


KEPT = kept("summaries")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(summaries, [outcome(forged) for forged in FORGED.values()]) == []
