"""Slots on the wall clock: the rule by which a slot is missed is the coordinator's."""

from __future__ import annotations

from coordinator.ledger.checks import wall
from coordinator.slots.run_time import GRACE_FRACTION


def test_both_know_the_same_grace() -> None:
    """Written apart; findings of forged ledgers are in test_checks.py."""
    assert wall.GRACE_FRACTION == GRACE_FRACTION
