"""Table of decisions: the form of a large fleet's program."""

from __future__ import annotations

from coordinator.tables.decisions import form_cells


def test_why_the_pairwise_form_decided() -> None:
    assert form_cells({"pairwise_form: losses by pair": 1.0, "messages": 3.0}) == {
        "pairwise_reason": "losses by pair"
    }
    assert form_cells({"messages": 3.0}) == {}
