"""Columns of conversations: prices by hand, and none where nobody has moved."""

from __future__ import annotations

from typing import Any

import pytest

from carbon_data.units import JOULES_PER_KWH
from coordinator.tables.recorded import RecordedRun
from coordinator.tables.turns import TurnColumns

TURN = {"slot": 0, "owner": "n0", "batch_id": 4, "conversation": 2, "turn": 1, "at": "n1"}
ONE: dict[str, Any] = {"owner": "n0", "batch_id": 4, "cache_bytes": 1000}


def made(**changes: Any) -> RecordedRun:
    run = RecordedRun([])
    turns = [{**TURN, "cache_bytes": 2000, "read_again_j": 3.0, **changes}]
    run.config = {"turns": turns, "limits": {"net_j_per_byte": 2e-6}}
    for node, zone in (("n0", "A"), ("n1", "B")):
        run.registrations[node] = {"profile": {"zone": zone, "tx_j_per_byte": 1e-6, "rx_j_per_byte": 3e-6}}
    run.intensity = {"A": [100.0], "B": [200.0]}
    return run


def test_a_move_has_what_its_bytes_took_and_both_prices() -> None:
    row = TurnColumns(made()).of(0, "n1", ONE)
    assert (row["conversation"], row["turn"], row["user_at"]) == (2, 1, "n1")
    assert row["handed_j"] == pytest.approx(1000 * (2e-6 + 4e-6))
    assert row["handed_g"] == pytest.approx(1000 * (2e-6 * 100 + 4e-6 * 200) / JOULES_PER_KWH)
    assert row["hand_over_g"] == pytest.approx(2 * row["handed_g"])
    assert row["read_again_j"] == 3.0
    assert row["read_again_g"] == pytest.approx(3.0 * 200 / JOULES_PER_KWH)


def test_a_turn_without_a_move_has_no_prices_and_other_requests_have_nothing() -> None:
    assert set(TurnColumns(made(at="n0")).of(0, "n0", ONE)) == {"conversation", "turn", "user_at"}
    assert TurnColumns(made()).of(0, "n0", {**ONE, "batch_id": 5}) == {}
    assert TurnColumns(RecordedRun([])).of(0, "n0", ONE) == {}
