"""Intake of nodes' records into the books: telemetry, usage, settlement. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from coordinator.ledger import verify
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.slot import Telemetry, Usage
from protos.messages.stream import Refusal
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import sums


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("grid_uj", "(D1)"),
        ("curtailed_uj", "(D2)"),
        ("battery_after_uj", "(D3)"),
        ("self_discharge_uj", "(D3)"),
        ("harvest_uj", "(D2)"),
        ("export_uj", "agreed"),
    ],
)
def test_settlement_that_does_not_balance_is_refused(bench: Any, field: str, text: str) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    caught: list[Any] = []
    bench.drop = lambda node, message: (
        node == "n00" and not isinstance(message, Usage) and not caught.append(message)
    )
    coordinator = bench.coordinator
    coordinator.carry_out(coordinator.service.closing.close(EndSlot(0, 1.0))[1])
    coordinator.carry_out(coordinator.service.closing.trade())
    bench.drop = lambda node, message: False
    wrong = dataclasses.replace(caught[0], **{field: getattr(caught[0], field) + 1})
    if field == "export_uj":  # balanced in itself, but not what was granted
        wrong = dataclasses.replace(wrong, curtailed_uj=wrong.curtailed_uj - 1)
    before = sums(bench)
    coordinator.receive("n00", wrong)
    refusals = bench.nodes["n00"].refusals
    assert [r.code for r in refusals] == ["bad_settlement"]
    assert text in refusals[0].reason
    assert sums(bench) == before
    assert "1 alarm: bad_settlement" in verify(bench.config.ledger_path).notices


def test_same_number_with_other_content_is_an_alarm_and_never_overwrites(bench: Any) -> None:
    bench.join()
    stub = bench.nodes["n00"]
    first = next(s.entry for s in bench.coordinator.ledger.entries() if s.entry.key == "message/n00/boot1/1")
    other = Telemetry("n00", "boot1", 1, 0, first.body["battery_uj"], (5,), (9,))
    bench.coordinator.receive("n00", other)
    assert [refusal.code for refusal in stub.refusals] == ["key_conflict"]
    assert bench.coordinator.service.books.waiting["n00"].backlog_batches == (6,)
    assert bench.coordinator.report(ReportQuery()).labels["alarms"] == "1"
    assert "1 alarm: key_conflict" in verify(bench.config.ledger_path).notices


def test_stale_epoch_unknown_slot_and_unknown_nodes_are_refused(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    stub = bench.nodes["n00"]
    usage = stub.usage(0)
    stub.usages.clear()
    for changes, code in (
        ({"epoch": 7}, "stale_epoch"),
        ({"slot": 3}, "no_decision"),
        ({"node_id": "n01"}, "wrong_node"),
        ({"boot_id": "boot0"}, "stale_boot"),
    ):
        bench.coordinator.receive("n00", dataclasses.replace(usage, seq=90 + len(code), **changes))
        assert stub.refusals[-1].code == code
    heard: list[Any] = []
    bench.coordinator.deliver = lambda node, message: heard.append((node, message))
    bench.coordinator.receive("n77", dataclasses.replace(stub.register(), node_id="n77"))
    assert [(node, m.code) for node, m in heard if isinstance(m, Refusal)] == [("n77", "unknown_node")]
    assert "n77" not in bench.coordinator.service.books.nodes


def test_battery_that_changes_without_a_gap_is_refused(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    stub = bench.nodes["n00"]
    stub.battery_uj += 1000
    bench.coordinator.receive("n00", stub.telemetry(1))
    assert stub.refusals[-1].code == "battery_discontinuous"
