"""Forged ledgers: what readings say of a board's sleep."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import sleep
from tests.coordinator.ledger.checks.forging import Forged, Outcomes, body, kept, silent, usage_of

FORGED: dict[str, Forged] = {
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


KEPT = kept("sleep")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(sleep, [outcome(forged) for forged in FORGED.values()]) == []
