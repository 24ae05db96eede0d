"""Forged ledgers: live intensities."""

from __future__ import annotations

import pytest

from coordinator.ledger.checks import signals
from tests.coordinator.ledger.checks.forging import Change, Forged, Outcomes, body, kept, remove, silent, sql


def live(code: str, text: str, *changes: Change) -> Forged:
    return Forged(code, text, changes, ledger="live")


FORGED: dict[str, Forged] = {
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


KEPT = kept("signals")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(signals, [outcome(forged) for forged in FORGED.values()]) == []
