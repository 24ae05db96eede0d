"""Forged ledgers: grams of a slot and of the whole."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import emissions
from tests.coordinator.ledger.checks.forging import E0, Forged, Outcomes, body, kept, silent, sql, summary

FORGED: dict[str, Forged] = {
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
}


KEPT = kept("emissions")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(emissions, [outcome(forged) for forged in FORGED.values()]) == []
