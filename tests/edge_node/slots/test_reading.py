"""The slot's end: read once, or a gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.meters.base import MeterError
from edge_node.slots.errors import NoWork, StaleDecision
from edge_node.slots.link import respond
from protos.messages.slot import CloseSlot, Telemetry
from protos.messages.stream import Refusal
from protos.messages.terms import Component
from tests.edge_node.slots.steps import MakeNode, decide, energies, finish, make_started, welcome


def test_a_slot_closed_without_work_still_costs_static_power(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    usage, settlement = finish(node, 0)
    assert energies(usage) == {Component.STATIC: 20_000_000}
    assert usage.executed == ()
    # Nothing was decided: harvest serves the load, nothing is drawn from what is stored.
    assert (settlement.green_uj, settlement.discharge_uj) == (10_000_000, 0)
    assert node.telemetry().backlog_batches == (6,)  # the slot's own: what was due before is lost


def test_sleep_and_waking(make_node: MakeNode) -> None:
    node = make_node(deadline_slots=2)
    welcome(node)
    node.on_decision(decide("n0", 0, awake=False))
    with pytest.raises(NoWork):
        node.execute({})
    asleep, _ = finish(node, 0)
    assert energies(asleep) == {Component.SLEEP: 5_000_000}
    silent, _ = finish(node, 1)  # no decision came: it sleeps on
    assert energies(silent) == {Component.SLEEP: 5_000_000}
    assert node.telemetry().backlog_batches == (6, 6, 6)
    node.on_decision(decide("n0", 2, own=0))
    awake, _ = finish(node, 2)
    assert energies(awake) == {Component.STATIC: 20_000_000, Component.WAKE: 3_000_000}


def test_a_refused_reading_is_dropped_and_the_node_goes_on(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.on_decision(decide("n0", 0))
    node.close(CloseSlot(1, 0))
    response = respond(node, Refusal("stale_epoch", "another"))
    (told,) = response.up
    assert isinstance(told, Telemetry)
    assert told.slot == 1
    assert node.unacknowledged() == []


def test_a_meter_without_a_reading_leaves_a_gap(make_node: MakeNode, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"slot": 1, "lines": []}\n')
    node = make_node(meter=f"replay:{log}")
    welcome(node)
    with pytest.raises(MeterError):
        node.close(CloseSlot(1, 0))
    assert node.telemetry().slot == 1
    response = respond(make_started(make_node, meter=f"replay:{log}"), CloseSlot(1, 0))
    assert [type(m).__name__ for m in response.up] == ["Refusal", "Telemetry"]


def test_a_gap_stays_a_gap(make_node: MakeNode, tmp_path: Path) -> None:
    """Closed again, a slot without a reading is not read from the next slot's window, nor left a second time."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"slot": 1, "lines": []}\n')
    node = make_started(make_node, meter=f"replay:{log}", deadline_slots=1)
    with pytest.raises(MeterError):
        node.close(CloseSlot(1, 0))
    with pytest.raises(StaleDecision, match="node in 1"):
        node.close(CloseSlot(2, 0))
    assert node.telemetry().backlog_batches == (6, 6)
    assert node.close(CloseSlot(2, 1)).lines == ()
