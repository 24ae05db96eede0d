"""Ending a slot: nodes are asked to close, transfers are settled, nodes book, and the slot is summed up."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coordinator.config import LimitsConfig
from coordinator.ledger import Kind, verify
from coordinator.ledger.entry import Entry
from coordinator.slots.booking import estimated
from coordinator.slots.lines import Parcels
from coordinator.slots.postings import gap, slot_end
from coordinator.slots.protocol import Effects, RequestError
from coordinator.slots.shared_lines import shared_lines
from coordinator.slots.trade import DonorState, SettledTransfer, Transfer, settle_trade
from coordinator.tables.export import ledger_tables
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery, SlotSummary
from protos.messages.slot import CloseSlot, EnergyGrant, Usage
from protos.messages.stream import Register
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import Trader, sums


def test_silent_node_is_a_gap_its_transfers_are_void_and_it_comes_back(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    bench.mute = {"n01"}
    summary = bench.coordinator.end_slot(EndSlot(1, 1.0))
    assert summary.missing_nodes == ("n01",)
    assert summary.unserved_batches == 4 + 2  # its own four, and two of n00 that it was to run
    trade = {(t.donor, t.recipient): t for t in bench.coordinator.service.books.slots[1].trade}
    assert not trade["n00", "n01"].posted
    assert not trade["n01", "n02"].posted
    assert trade["n02", "n00"].posted

    # The lease ends: the next slot is decided without it.
    bench.now += 100.0
    for node in ("n00", "n02"):
        bench.join(node)
    plan = bench.coordinator.begin_slot(BeginSlot(2, Stage.DEVELOPMENT, 1.0))
    assert plan.lost_nodes == ("n01",)
    bench.coordinator.end_slot(EndSlot(2, 1.0))

    # A new start of it takes up the battery that the books hold.
    bench.mute = set()
    bench.nodes["n01"] = stub = type(bench.nodes["n00"])("n01", boot_id="boot2", battery_uj=1)
    bench.join("n01")
    assert stub.battery_uj == bench.coordinator.service.books.battery_uj("n01")
    summary = bench.run_slot(3)
    assert summary.missing_nodes == ()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == ["2 unmetered node slots"]


def test_late_reading_is_booked_once_as_waste(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    held: list[Any] = []
    bench.drop = lambda node, message: (
        node == "n02" and isinstance(message, Usage) and not held.append(message)
    )
    bench.coordinator.end_slot(EndSlot(0, 1.0))
    bench.drop = lambda node, message: False
    for _ in range(3):
        bench.coordinator.receive("n02", held[0])
    stub = bench.nodes["n02"]
    booked = sums(bench)
    compute, static = (line.energy_uj for line in held[0].lines)
    assert booked["node/n02/stage/development/waste"] == compute
    assert "node/n02/stage/development/compute" not in {k for k, v in booked.items() if v}
    assert booked["node/n02/stage/unallocated/static"] == static
    assert booked["node/n02/grid"] == -(compute + static)  # on the cautious side
    # It could continue with its own balance; the difference of its battery is adjusted, visibly.
    assert stub.slot == 1
    assert booked["node/n02/battery"] == stub.battery_uj
    assert bench.run_slot(1).missing_nodes == ()
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == [
        "1 battery adjustments after a gap",
        "1 readings after their slot's end",
        "1 unmetered node slots",
    ]


def test_node_that_dies_between_reading_and_settlement_is_booked_by_estimate(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    bench.drop = lambda node, message: node == "n01" and not isinstance(message, Usage)
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert "n01" not in summary.settled_nodes
    assert summary.missing_nodes == ()
    assert summary.executed_batches == 18
    booked = sums(bench)
    stub = bench.nodes["n01"]
    demand = sum(line.energy_uj for line in stub.usages[0].lines)
    assert booked["node/n01/grid"] == -demand
    assert all(amount == 0 for account, amount in booked.items() if account.startswith("transfer/"))
    # Its settlement comes after all: the estimate stands, the battery is adjusted with the next telemetry.
    bench.drop = lambda node, message: False
    for message in list(stub.outbox.values()):
        bench.coordinator.receive("n01", message)
    assert sums(bench)["node/n01/battery"] == stub.battery_uj
    assert stub.outbox == {}
    bench.run_slot(1)
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert "1 bookings by estimate" in report.notices


def test_batches_run_twice_count_once_and_the_rest_is_waste(bench: Any) -> None:
    """The owner took the batch back although the executor had it: both ran it."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    owner = bench.nodes["n00"]
    owner.decisions[0] = dataclasses.replace(owner.decisions[0], own_batches=6)
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0))
    assert summary.executed_batches == 18
    booked = sums(bench)
    # n00 answers first, so that the guest's two batches at n01 are the repeated ones: two of its six.
    assert booked["node/n01/stage/development/waste"] == 3_000_001 * 6 * 2 // 6
    # Their tokens are not delivered twice either: 18 batches of ten, whichever node ran them.
    report = bench.coordinator.report(ReportQuery())
    assert (report.tokens_in, report.tokens_out) == (18 * 7, 18 * 10)
    assert verify(bench.config.ledger_path).ok


def test_batches_that_an_executor_took_and_did_not_run_are_unserved_before_their_deadline_too(
    tmp_path: Path, kit: Any
) -> None:
    """They have left their owner's backlog, so that no later deadline of theirs will be missed."""
    config = kit.make_config(tmp_path, limits=LimitsConfig(deadline_slots=1))
    bench = kit.Bench(config, Trader())
    bench.join()
    bench.nodes["n01"].skip_guests = True
    summary = bench.run_slot(0)
    assert summary.executed_batches == 16
    assert summary.unserved_batches == 2
    bench.close()
    start = datetime(2024, 6, 1, tzinfo=UTC)
    slots = ledger_tables(config.ledger_path, start=start, trace_step_s=3600.0)["slots"]
    assert slots.set_index("node_id")["unserved_batches"].to_dict() == {"n00": 2, "n01": 0, "n02": 0}


def test_summary_of_a_slot_whole_by_hand(bench: Any) -> None:
    """n01 is silent: four batches of its own and two of n00 are not run. n02 ran two of n01, n00 two of n02."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    bench.mute = {"n01"}
    summary = bench.coordinator.end_slot(EndSlot(0, 1.0, 1000, 10))
    entries = [stored.entry for stored in bench.coordinator.ledger.entries()]
    bodies = [entry.body for entry in entries if entry.kind is Kind.BOOKING]
    (end,) = [entry.body for entry in entries if entry.kind is Kind.SLOT_END]
    own = [body["balance"] for body in bodies]
    lines = [line for body in (*bodies, end) for line in body["lines"]]
    shared = [line for line in lines if line["node_id"] in ("network", "coordinator", "router")]
    shared_uj = sum(line["energy_uj"] for line in shared)
    usages = [stub.usages[0] for stub in bench.nodes.values() if stub.usages]
    (sent,) = [t for t in bench.coordinator.service.books.slots[0].trade if t.posted]
    assert summary == SlotSummary(
        slot=0,
        emissions_pg=sum(line["operational_pg"] for line in lines),
        grid_uj=sum(balance["grid_uj"] for balance in own) + shared_uj,
        green_uj=sum(balance["green_uj"] for balance in own),
        demand_uj=sum(line.energy_uj for usage in usages for line in usage.lines) + shared_uj,
        moved_batches=2 + 2,
        transferred_uj=sent.sent_uj,
        executed_batches=6 + 6,
        unserved_batches=4 + 2,
        settled_nodes=("n00", "n02"),
        missing_nodes=("n01",),
    )
    gaps = [entry for entry in entries if entry.kind is Kind.GAP]
    assert [(entry.key, entry.body["reason"]) for entry in gaps] == [("gap/0/n01", "no reading")]


def test_a_node_that_was_not_decided_for_is_a_gap_with_its_reason(bench: Any) -> None:
    bench.join("n00", "n02")
    bench.run_slot(0)
    gaps = [s.entry for s in bench.coordinator.ledger.entries() if s.entry.kind is Kind.GAP]
    assert [(gap.key, gap.body["reason"]) for gap in gaps] == [
        ("gap/0/n01", "no lease or telemetry when it was decided")
    ]


@pytest.mark.parametrize("call", ["trade", "awaiting_usage", "awaiting_settlement"])
def test_without_an_open_slot_nothing_is_closed(bench: Any, call: str) -> None:
    closing = bench.coordinator.service.closing
    with pytest.raises(RequestError) as caught:
        getattr(closing, call)()
    assert (caught.value.code, str(caught.value)) == ("not_begun", "no slot is open; the next is 0")
    with pytest.raises(RequestError) as caught:
        closing.close(EndSlot(2, 1.0))
    assert (caught.value.code, str(caught.value)) == ("not_begun", "slot 2 was not begun; the next is 0")


def test_nodes_are_asked_to_close_and_then_to_settle_while_they_live_on(bench: Any) -> None:
    """Asked are those that owe a reading, on the start that the slot was decided for, under a lease."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    service = bench.coordinator.service
    closing, slot = service.closing, service.books.slots[0]
    asked = tuple((node, CloseSlot(1, 0)) for node in ("n00", "n01", "n02"))
    assert not closing.is_told(slot)
    assert closing.close(EndSlot(0, 1.0)) == (None, Effects((), asked))
    assert closing.is_told(slot)
    assert closing.awaiting_usage() == ("n00", "n01", "n02")
    for node in ("n02", "n00"):
        service.intake.take(bench.nodes[node].usage(0))
    assert closing.awaiting_usage() == ("n01",)
    assert closing.awaiting_usage(("n00",)) == ()
    assert closing.awaiting_usage(("n01",)) == ("n01",)
    assert closing.awaiting_settlement(("n00", "n01")) == ("n00",)
    assert closing.close(EndSlot(0, 1.0)) == (None, Effects((), asked[1:2]))
    assert closing.awaiting_settlement() == ("n02", "n00"), "as their readings came"
    service.register(Register("n02", "boot2", "", bench.nodes["n02"].profile))
    assert closing.awaiting_settlement() == ("n00",)
    service.register(Register("n01", "boot2", "", bench.nodes["n01"].profile))
    assert closing.awaiting_usage() == ()
    bench.now += 100.0
    assert closing.awaiting_settlement() == ()


def test_a_trade_is_entered_once_and_told_to_all_that_metered(bench: Any) -> None:
    """n01 is silent: what it gives and gets is void. A repeat tells those that have not settled yet."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    service = bench.coordinator.service
    closing, slot = service.closing, service.books.slots[0]
    decided = {(t.donor, t.recipient): t.energy_uj for t in slot.transfers}
    assert decided.keys() == {("n00", "n01"), ("n01", "n02"), ("n02", "n00")}
    for node in ("n02", "n00"):
        service.intake.take(bench.nodes[node].usage(0))
    giver, taker = bench.nodes["n02"].profile, bench.nodes["n00"].profile
    donors = {"n02": DonorState(bench.nodes["n02"].usages[0].harvest_uj, slot.telemetry["n02"].battery_uj, 0)}
    (sent,) = settle_trade(
        [Transfer("n02", "n00", decided["n02", "n00"])],
        donors | {"n00": donors["n02"]},
        {"n02": giver, "n00": taker},
        60.0,
    )
    assert sent.received_uj > 0
    outcome = [
        SettledTransfer("n00", "n01", decided["n00", "n01"], 0, 0, "no reading from n01"),
        SettledTransfer("n01", "n02", decided["n01", "n02"], 0, 0, "no reading from n01"),
        sent,
    ]
    body = {"transfers": [dataclasses.asdict(transfer) for transfer in outcome]}
    told = (
        ("n02", EnergyGrant("n02", 1, 0, sent.sent_uj, 0)),
        ("n00", EnergyGrant("n00", 1, 0, 0, sent.received_uj)),
    )
    traded = Entry(Kind.TRADE, "trade/0", body, slot=0)
    found = closing.trade()
    assert found == Effects((traded,), told)
    assert found.entries[0].text == traded.text
    assert closing.trade() == Effects((), told)


def test_the_end_of_a_slot_enters_what_is_missing_and_then_the_end(bench: Any) -> None:
    """n00 has metered and did not settle, n01 is silent, n02 was not decided for: in the order of the nodes."""
    bench.join("n00", "n01")
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    service = bench.coordinator.service
    slot = service.books.slots[0]
    usage = bench.nodes["n00"].usage(0)
    service.intake.take(usage)
    service.closing.trade()
    wanted = estimated(service.books, slot, usage)
    end = EndSlot(0, 1.0, 1000, 10)
    summary, effects = service.closing.finish(end)
    parcels = (Parcels("n00", "n01", 2, 2_000), Parcels("n01", "n00", 2, 2_000))
    lines = shared_lines(service.books, slot, end, parcels)
    assert effects == Effects(
        (
            wanted,
            gap("n01", 0, "no reading"),
            gap("n02", 0, "no lease or telemetry when it was decided"),
            slot_end(summary, lines, parcels),
        )
    )
    shared_uj = sum(line["energy_uj"] for line in lines)
    demand_uj = sum(line.energy_uj for line in usage.lines)
    booked_pg = sum(line["operational_pg"] for line in (*wanted.body["lines"], *lines))
    network_uj = sum(line["energy_uj"] for line in wanted.body["lines"] if line["node_id"] == "network")
    total = demand_uj + network_uj + shared_uj
    # Six of its own and two of n01 were decided for n00 and counted; two of its own went to n01, who was silent.
    assert summary == SlotSummary(0, booked_pg, total, 0, total, 2, 0, 6, 4 + 2, (), ("n01", "n02"))
    assert service.closing.close(end) == (summary, Effects())
