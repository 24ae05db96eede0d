"""Slots on the wall clock: the rule by which a slot is missed is the coordinator's."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.ledger.checks import wall
from coordinator.slots.run_time import GRACE_FRACTION
from tests.coordinator.ledger.checks.forging import E0, U0, Body, Change, Forged, Outcomes, body, kept, silent


def test_both_know_the_same_grace() -> None:
    """Written apart."""
    assert wall.GRACE_FRACTION == GRACE_FRACTION


# --- forged ledgers --------------------------------------------------------------------------------------


def timed(text: str, *changes: Change) -> Forged:
    return Forged("wall", text, changes, ledger="timed")


def estimate(usage: Body, **changes: Any) -> Body:
    """What a sensor says of a reading that it estimated."""
    known = {"kind": "estimate", "half_width_uj": None, "bias_uj": None, "rate_hz": 1.0, "gaps": 0}
    total = sum(line["energy_uj"] for line in usage["lines"])
    return {**known, "energy_uj": total, "coverage_fraction": 1.0, "window_s": 60.0, **changes}


FORGED: dict[str, Forged] = {
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
}


KEPT = kept("wall")


@pytest.mark.parametrize("name", FORGED)
def test_each_forgery_gives_its_findings_and_no_other(name: str, outcome: Outcomes) -> None:
    found = outcome(FORGED[name])
    assert found.made_for, found.said
    assert found.said == KEPT[name]


def test_no_finding_is_without_a_forged_ledger(outcome: Outcomes) -> None:
    assert list(KEPT) == list(FORGED)
    assert silent(wall, [outcome(forged) for forged in FORGED.values()]) == []
