"""Orchestration: degree of automation of the service."""

from __future__ import annotations

from coordinator.ledger.entry import Kind
from experiments.report.qoais.orchestration import AUTOMATIC, autonomy


def test_every_kind_of_ledger_entry_today_is_automatic() -> None:
    """A kind that a person writes has to be left out of AUTOMATIC: it then counts as an intervention."""
    assert {kind.value for kind in Kind} == AUTOMATIC
    assert autonomy(0) == "full autonomy"
    assert autonomy(10).startswith("partially")
    assert autonomy(100).startswith("fully controllable")
