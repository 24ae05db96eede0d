"""Intake of nodes' records into the books: telemetry, usage, settlement. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from carbon_data.storage import Balance
from coordinator.ledger import Kind, verify
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.slot import Executed, Settlement, Telemetry, Usage
from protos.messages.stream import Ack, Heartbeat, Refusal
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


def test_answers_to_a_node_name_it_and_its_last_number(bench: Any) -> None:
    bench.join()
    stub = bench.nodes["n01"]
    bench.heard.clear()
    bench.coordinator.receive("n01", Heartbeat("n01", "boot1", 9, 5))
    bench.coordinator.receive("n01", stub.telemetry(0))
    acks = [(node, message) for node, message in bench.heard if isinstance(message, Ack)]
    assert acks == [("n01", Ack("n01", 1)), ("n01", Ack("n01", 2))]


def test_an_alarm_that_came_before_is_refused_with_its_reason_and_entered_once(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    stub = bench.nodes["n00"]
    stub.battery_uj += 1000
    wrong = stub.telemetry(1)
    for seq in (50, 51):
        bench.coordinator.receive("n00", dataclasses.replace(wrong, seq=seq))
    held = stub.battery_uj - 1000
    reason = f"{held + 1000} uJ in the battery before slot 1; the books hold {held} uJ, with no gap"
    assert stub.refusals == [Refusal("battery_discontinuous", reason)] * 2
    (alarm,) = [s.entry for s in bench.coordinator.ledger.entries() if s.entry.kind is Kind.ALARM]
    assert alarm.body == {"alarm": "battery_discontinuous", "reason": reason}
    assert (alarm.slot, alarm.node_id) == (1, "n00")
    assert bench.coordinator.service.books.alarms == 1


def test_refusals_say_what_was_got_and_what_is_allowed(bench: Any) -> None:
    """Each message out of its place, and the whole refusal."""
    bench.join()
    stub = bench.nodes["n00"]

    def refused(message: Any) -> Refusal:
        before = len(stub.refusals)
        bench.coordinator.receive("n00", message)
        assert len(stub.refusals) == before + 1
        return stub.refusals[-1]

    told = stub.telemetry(0)
    assert refused(dataclasses.replace(told, seq=70, boot_id="boot0")) == Refusal(
        "stale_boot", "start boot0 of n00, registered is boot1"
    )
    assert refused(dataclasses.replace(told, seq=71, slot=2)) == Refusal(
        "future_slot", "telemetry of slot 2; the next to be decided is 0"
    )
    many = dataclasses.replace(told, seq=72, backlog_batches=(1, 2))
    assert refused(many) == Refusal("bad_telemetry", "backlog_batches has 2 values, needed are 1")
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert refused(dataclasses.replace(told, seq=73)) == Refusal(
        "stale_slot", "telemetry of slot 0; the next to be decided is 1"
    )
    usage = stub.usage(0)
    stub.usages.clear()
    assert refused(dataclasses.replace(usage, seq=74, slot=3)) == Refusal(
        "no_decision", "n00 has no decision for slot 3"
    )
    assert refused(dataclasses.replace(usage, seq=75, epoch=4)) == Refusal(
        "stale_epoch", "slot 0 was decided in epoch 1, not 4"
    )
    zeros = dict.fromkeys(Balance.__slots__, 0)
    early = Settlement("n00", "boot1", 76, 1, 0, **zeros)
    assert refused(early) == Refusal("no_usage", "settlement of n00 for slot 0 came before its usage")
    bad = dataclasses.replace(usage, seq=77, executed=(Executed("n00", 1), Executed("n00", 2)))
    assert refused(bad) == Refusal("bad_usage", "an owner is named twice in executed")
    stub.usages[0] = dataclasses.replace(usage, seq=78)
    bench.coordinator.receive("n00", stub.usages[0])
    assert refused(dataclasses.replace(usage, seq=79)) == Refusal(
        "repeated", "usage of n00 for slot 0 is in the books already"
    )
    assert refused(dataclasses.replace(early, seq=80)) == Refusal(
        "not_traded", "slot 0 is not traded yet; wait for the grant"
    )
    bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert refused(dataclasses.replace(early, seq=99)) == Refusal(
        "repeated", "settlement of n00 for slot 0 is in the books already"
    )
    other = dataclasses.replace(stub.telemetry(1), node_id="n01", seq=90)
    assert refused(other) == Refusal("wrong_node", "message of n01 on the stream of n00")
