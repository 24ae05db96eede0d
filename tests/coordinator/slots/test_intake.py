"""Intake of nodes' records into the books: telemetry, usage, settlement. Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from carbon_data.storage import Balance
from coordinator.ledger import Kind, Unit, verify
from coordinator.ledger.entry import Entry
from coordinator.policies.registry import make_policy
from coordinator.slots.documents import message_document
from coordinator.slots.postings import adjustment, opening
from coordinator.slots.protocol import Effects, Refused
from coordinator.slots.state import Standing
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery
from protos.messages.slot import EnergyGrant, Executed, Settlement, Telemetry, Usage
from protos.messages.stream import Ack, Heartbeat, Refusal, Welcome
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


def taken(bench: Any, message: Any) -> Effects | Refused:
    """What the intake makes of a message, as effects or as the refusal itself."""
    try:
        return bench.coordinator.service.intake.take(message)
    except Refused as refused:
        return refused


def said(found: Effects | Refused) -> tuple[str, list[Any]]:
    assert isinstance(found, Refused)
    return found.refusal.code, list(found.follow)


def test_a_refused_record_is_acknowledged_so_that_it_is_not_sent_again(bench: Any) -> None:
    """Only a settlement before the trade is not: it is to come again. A stale telemetry is told where the run is, if
    the node has no part in the open slot."""
    bench.join()
    stub = bench.nodes["n00"]
    told = stub.telemetry(0)
    assert said(taken(bench, dataclasses.replace(told, seq=70, slot=2))) == ("future_slot", [Ack("n00", 70)])
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert said(taken(bench, dataclasses.replace(told, seq=71))) == ("stale_slot", [Ack("n00", 71)])
    other_boot = dataclasses.replace(told, seq=72, boot_id="boot0")
    assert said(taken(bench, other_boot)) == ("stale_boot", []), "its numbers are of another start"
    usage = stub.usage(0)
    stub.usages.clear()
    early = Settlement("n00", "boot1", 76, 1, 0, **dict.fromkeys(Balance.__slots__, 0))
    assert said(taken(bench, early)) == ("no_usage", [Ack("n00", 76)])
    found = taken(bench, dataclasses.replace(usage, seq=80))
    assert isinstance(found, Effects)
    assert found.sends == (("n00", Ack("n00", 80)),)
    (entry,) = found.entries
    assert (entry.kind, entry.key, entry.slot, entry.node_id) == (
        Kind.USAGE,
        "message/n00/boot1/80",
        0,
        "n00",
    )
    assert said(taken(bench, dataclasses.replace(early, seq=81))) == ("not_traded", [])
    assert said(taken(bench, dataclasses.replace(usage, seq=60))) == ("repeated", [Ack("n00", 80)])
    bench.coordinator.service.closing.trade()
    bench.coordinator.service.closing.finish(EndSlot(0, 1.0))
    battery_uj = bench.coordinator.service.books.battery_uj("n00")
    assert said(taken(bench, dataclasses.replace(told, seq=90))) == (
        "stale_slot",
        [Ack("n00", 90), Welcome("test-run", 1, 0.5, 2.0, 1, battery_uj)],
    )


def test_a_record_that_came_before_is_acknowledged_and_enters_nothing(bench: Any) -> None:
    bench.join()
    (first,) = (s.entry for s in bench.coordinator.ledger.entries() if s.entry.key == "message/n00/boot1/1")
    told = Telemetry(**{**first.body, **{k: tuple(v) for k, v in first.body.items() if isinstance(v, list)}})
    assert taken(bench, told) == Effects((), (("n00", Ack("n00", 1)),))
    assert taken(bench, Heartbeat("n00", "boot1", 9, 5)) == Effects((), (("n00", Ack("n00", 1)),))


def test_a_heartbeat_before_the_first_record_confirms_the_connection_alone(bench: Any) -> None:
    bench.mute = {"n00"}
    bench.join("n00")
    assert taken(bench, Heartbeat("n00", "boot1", 9, 5)) == Effects((), (("n00", Ack("n00", 0)),))


def test_a_key_conflict_whole(bench: Any) -> None:
    bench.join()
    (first,) = (s.entry for s in bench.coordinator.ledger.entries() if s.entry.key == "message/n00/boot1/1")
    other = Telemetry("n00", "boot1", 1, 0, first.body["battery_uj"], (5,), (9,))
    found = taken(bench, other)
    assert isinstance(found, Refused)
    reason = "message/n00/boot1/1 came before with other content; the first stands; send the next seq instead"
    assert found.refusal == Refusal("key_conflict", reason)
    assert found.follow == (Ack("n00", 1),)
    (alarm,) = found.alarms
    offered = Entry(Kind.TELEMETRY, first.key, message_document(other), slot=0, node_id="n00")
    assert alarm.body == {
        "alarm": "key_conflict",
        "reason": reason,
        "key": first.key,
        "stored_digest": first.digest,
        "offered_digest": offered.digest,
        "offered": offered.text,
    }
    assert (alarm.kind, alarm.slot, alarm.node_id) == (Kind.ALARM, 0, "n00")
    assert alarm.key.startswith("alarm/key_conflict/n00/")


def test_a_reading_is_answered_by_where_its_slot_is(bench: Any) -> None:
    """While the slot runs it waits; once traded it gets its grant; after the end it is booked, and told to go on."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    slot = bench.coordinator.service.books.slots[0]
    readings = {node: stub.usage(0) for node, stub in bench.nodes.items()}
    found = taken(bench, readings["n00"])
    assert isinstance(found, Effects)
    assert found.sends == (("n00", Ack("n00", readings["n00"].seq)),)
    bench.coordinator.service.closing.trade()
    found = taken(bench, readings["n01"])
    assert isinstance(found, Effects)
    assert found.sends == (
        ("n01", EnergyGrant("n01", 1, 0, 0, 0)),
        ("n01", Ack("n01", readings["n01"].seq)),
    )
    assert [entry.kind for entry in found.entries] == [Kind.USAGE]
    bench.coordinator.service.closing.finish(EndSlot(0, 1.0))
    found = taken(bench, readings["n02"])
    assert isinstance(found, Effects)
    assert found.sends == (
        ("n02", EnergyGrant("n02", 1, 0, 0, 0)),
        ("n02", Ack("n02", readings["n02"].seq)),
    )
    assert [entry.kind for entry in found.entries] == [Kind.USAGE, Kind.BOOKING]
    assert found.entries[1].body["late"]
    assert slot.standing == dict.fromkeys(bench.nodes, Standing.BOOKED)
    # Its settlement comes after all: kept, and booked nowhere.
    late = Settlement("n02", "boot1", 90, 1, 0, **dict.fromkeys(Balance.__slots__, 7))
    found = taken(bench, late)
    assert isinstance(found, Effects)
    assert [(entry.kind, entry.postings) for entry in found.entries] == [(Kind.SETTLEMENT, ())]
    assert found.sends == (("n02", Ack("n02", 90)),)


def test_a_telemetry_of_the_run_s_end_is_acknowledged_and_kept_nowhere(bench: Any) -> None:
    bench.join()
    for slot in range(4):
        bench.run_slot(slot)
    told = dataclasses.replace(bench.nodes["n00"].telemetry(4), seq=99, battery_uj=1)
    assert taken(bench, told) == Effects((), (("n00", Ack("n00", 99)),))
    assert bench.coordinator.service.books.waiting == {}


def test_a_first_battery_opens_an_account_and_another_after_a_gap_adjusts_it(bench: Any) -> None:
    """Entries whole, before the telemetry that brings them."""
    books = bench.coordinator.service.books
    stub = bench.nodes["n00"]
    bench.mute = {"n00"}
    bench.join("n00")
    told = stub.telemetry(0)
    found = taken(bench, told)
    assert isinstance(found, Effects)
    record = Entry(Kind.TELEMETRY, "message/n00/boot1/1", message_document(told), slot=0, node_id="n00")
    assert found.entries == (opening("n00", 0, told.battery_uj), record)
    again = dataclasses.replace(told, seq=2)
    found = taken(bench, again)
    assert isinstance(found, Effects)
    assert [entry.kind for entry in found.entries] == [Kind.TELEMETRY], "equal: nothing to explain"
    books.nodes["n00"].uncertain = True
    other = dataclasses.replace(told, seq=3, battery_uj=told.battery_uj - 10)
    found = taken(bench, other)
    assert isinstance(found, Effects)
    change = adjustment("n00", 0, "message/n00/boot1/3", told.battery_uj, told.battery_uj - 10)
    assert found.entries[0] == change
    assert books.battery_uj("n00") == told.battery_uj - 10


def test_several_findings_are_one_reason(bench: Any) -> None:
    bench.join()
    told = dataclasses.replace(bench.nodes["n00"].telemetry(0), seq=70)
    wrong = dataclasses.replace(told, backlog_batches=(1, 2), harvest_forecast_uj=())
    found = taken(bench, wrong)
    assert isinstance(found, Refused)
    reason = "harvest_forecast_uj has 0 values, needed are 1; backlog_batches has 2 values, needed are 1"
    assert found.refusal == Refusal("bad_telemetry", reason)
    assert [(alarm.body["reason"], alarm.slot, alarm.node_id) for alarm in found.alarms] == [
        (reason, 0, "n00")
    ]
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    usage = bench.nodes["n00"].usage(0)
    strange = (Executed("n07", 1), Executed("n00", 2), Executed("n00", 1))
    found = taken(bench, dataclasses.replace(usage, seq=71, executed=strange))
    assert isinstance(found, Refused)
    reason = "an owner is named twice in executed; ran batches of n07, not decided"
    assert found.refusal == Refusal("bad_usage", reason)
    assert [(alarm.body["reason"], alarm.slot, alarm.node_id) for alarm in found.alarms] == [
        (reason, 0, "n00")
    ]


def test_a_settlement_in_time_is_booked_as_it_balances(bench: Any) -> None:
    """Record and booking; findings about it are one reason, with an alarm."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    usage = bench.nodes["n00"].usage(0)
    taken(bench, usage)
    bench.coordinator.service.closing.trade()
    demand_uj = sum(line.energy_uj for line in usage.lines)
    battery_uj = bench.coordinator.service.books.battery_uj("n00")
    profile = bench.nodes["n00"].profile
    faded = round(profile.self_discharge_fraction * battery_uj)
    zeros = dict.fromkeys(Balance.__slots__, 0)
    balance = {
        **zeros,
        "demand_uj": demand_uj,
        "grid_uj": demand_uj,
        "harvest_uj": usage.harvest_uj,
        "curtailed_uj": usage.harvest_uj,
        "self_discharge_uj": faded,
        "battery_before_uj": battery_uj,
        "battery_after_uj": battery_uj - faded,
    }
    own = Settlement("n00", "boot1", 90, 1, 0, **balance)
    wrong = taken(bench, dataclasses.replace(own, grid_uj=demand_uj - 1, battery_after_uj=battery_uj))
    assert isinstance(wrong, Refused)
    reason = (
        f"(D1) demand {demand_uj} uJ is not grid {demand_uj - 1} + green 0; "
        f"(D3) the battery holds {battery_uj} uJ afterwards; its flows give {battery_uj - faded} uJ"
    )
    assert wrong.refusal == Refusal("bad_settlement", reason)
    assert [(a.body["alarm"], a.slot, a.node_id) for a in wrong.alarms] == [("bad_settlement", 0, "n00")]
    found = taken(bench, own)
    assert isinstance(found, Effects)
    record, booking = found.entries
    assert record == Entry(
        Kind.SETTLEMENT, "message/n00/boot1/90", dataclasses.asdict(own), slot=0, node_id="n00"
    )
    assert (booking.kind, booking.body["balance"]) == (Kind.BOOKING, balance)
    assert (booking.body["estimated"], booking.body["late"]) == (False, False)
    assert found.sends == (("n00", Ack("n00", 90)),)


def test_a_record_is_taken_up_as_it_is_read_from_the_file(bench: Any) -> None:
    """Live entries carry the message itself; after a restart it is read from the text."""
    bench.join()
    bench.run_slot(0)
    service, told = bench.coordinator.service, bench.nodes["n00"].telemetry(1)
    told = dataclasses.replace(told, seq=99, mean_loss=0.1)
    effects = service.receive("n00", bench.coordinator.sessions["n00"], told)
    entry = next(entry for entry in effects.entries if entry.kind is Kind.TELEMETRY)
    assert entry.record is told
    live = service.books.waiting["n00"]
    service.books.apply(dataclasses.replace(entry, record=None))
    assert service.books.waiting["n00"] == live == told
    assert service.books.waiting["n00"] is not live


def test_what_a_gauge_shows_is_booked_against_an_account_of_its_own(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, measured_batteries=("n00",)), make_policy("local"))
    bench.join()
    bench.run_slot(0)
    stub = bench.nodes["n00"]
    stub.battery_uj -= 1_000_001
    bench.coordinator.receive("n00", dataclasses.replace(stub.telemetry(1), battery_was_read=True))
    assert not stub.refusals
    bench.run_slot(1)
    bench.close()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert "1 readings of batteries" in report.notices
    assert bench.coordinator.service.books.balances["node/n00/drift", Unit.MICROJOULES] == 1_000_001
    assert ("node/n00/adjustment", Unit.MICROJOULES) not in bench.coordinator.service.books.balances


def test_a_reading_of_a_battery_is_believed_where_there_is_a_gauge_and_as_far_as_it_can_be(
    tmp_path: Path, kit: Any
) -> None:
    config = kit.make_config(tmp_path, measured_batteries=("n00",), plausible_power_times=1.0)
    bench = kit.Bench(config, make_policy("local"), charge_limit_w=0.01, discharge_limit_w=0.01)
    bench.join()
    bench.run_slot(0)
    strange, absurd = bench.nodes["n01"], bench.nodes["n00"]
    bench.coordinator.receive("n01", dataclasses.replace(strange.telemetry(1), battery_was_read=True))
    assert "has no gauge" in strange.refusals[-1].reason
    absurd.battery_uj = absurd.profile.battery_capacity_uj
    bench.coordinator.receive("n00", dataclasses.replace(absurd.telemetry(1), battery_was_read=True))
    assert absurd.refusals[-1].code == "implausible"
    assert "n00: battery drift of" in absurd.refusals[-1].reason
    bench.close()
    assert verify(config.ledger_path).ok
