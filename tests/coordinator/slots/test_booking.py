"""The one transaction of a node's slot: sources, stores, sinks, losses and emissions. Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from carbon_data.storage import Balance
from coordinator.ledger import verify
from coordinator.ledger.entry import Entry, Kind, Unit
from coordinator.slots.balances import close_unreported
from coordinator.slots.booking import BookingContext, booking, estimated, late, settled
from coordinator.slots.books import Books
from coordinator.slots.delivered import Counted
from coordinator.slots.lines import Parcels, UsersEnd, parcel_line
from coordinator.slots.postings import booking_postings
from coordinator.slots.state import NodeState, SlotState
from coordinator.slots.trade import SettledTransfer
from protos.messages.runner import BeginSlot, EndSlot, ReportQuery, SlotPlan
from protos.messages.slot import Decision, EnergyLine, Executed, Moved, Serving, Usage, UserTraffic
from protos.messages.terms import Component, Stage
from tests.coordinator.slots.trader import sums


def test_a_run_books_every_joule_and_batch_once(bench: Any) -> None:
    bench.join()
    for slot in range(4):
        summary = bench.run_slot(slot)
        assert set(summary.settled_nodes) == set(bench.nodes)
        assert summary.executed_batches == 3 * 6
        assert summary.unserved_batches == 0
        assert summary.moved_batches == 6
        assert summary.transferred_uj > 0
    held = sums(bench)
    for node, stub in bench.nodes.items():
        metered = sum(line.energy_uj for usage in stub.usages.values() for line in usage.lines)
        booked = sum(amount for account, amount in held.items() if account.startswith(f"node/{node}/stage/"))
        assert booked == metered
        assert held[f"node/{node}/battery"] == stub.battery_uj
        assert held[f"node/{node}/harvest"] == -sum(usage.harvest_uj for usage in stub.usages.values())
        assert f"node/{node}/adjustment" not in held
    assert all(amount == 0 for account, amount in held.items() if account.startswith("transfer/"))
    assert sum(held.values()) == 0
    report = verify(bench.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == []


def test_entries_name_the_node_and_the_slot_that_they_are_of(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    bench.mute = {"n02"}
    bench.run_slot(1)
    found: dict[str, set[tuple[int | None, str]]] = {}
    for stored in bench.coordinator.ledger.entries():
        found.setdefault(str(stored.entry.kind), set()).add((stored.entry.slot, stored.entry.node_id))
    nodes = set(bench.nodes)
    assert found["start"] == {(None, "")}
    for kind in ("decision", "trade", "slot_end"):
        assert found[kind] == {(0, ""), (1, "")}, kind
    assert found["registration"] == {(None, node) for node in nodes}
    assert found["opening"] == {(0, node) for node in nodes}
    metered = {(0, node) for node in nodes} | {(1, node) for node in nodes - {"n02"}}
    for kind in ("usage", "settlement", "booking"):
        assert found[kind] == metered, kind
    assert found["gap"] == {(1, "n02")}


def test_sent_energy_arrives_or_is_a_named_loss(bench: Any) -> None:
    bench.join()
    bench.run_slot(0)
    outcome = bench.coordinator.service.books.slots[0].trade
    held = sums(bench)
    assert len(outcome) == 3
    for transfer in outcome:
        pair = f"{transfer.donor}->{transfer.recipient}"
        assert transfer.sent_uj == transfer.received_uj + held[f"loss/transfer/{pair}"]
        out = 1.0 - bench.nodes[transfer.donor].profile.export_loss_fraction
        into = 1.0 - bench.nodes[transfer.recipient].profile.import_loss_fraction
        assert transfer.received_uj == int(transfer.sent_uj * out * into)


def test_answers_to_outside_clients_count_whole_beside_work_that_was_waste(bench: Any) -> None:
    """n01 ran two batches that had counted at their owner, and answered five requests from outside: 4,040 bits. The
    auditor makes it the same."""
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    owner, host = bench.nodes["n00"], bench.nodes["n01"]
    owner.decisions[0] = dataclasses.replace(owner.decisions[0], own_batches=6)
    outside = Serving("images", 5, 35, 55, 4_040, 0, 0.1, 0.2, 0.3, (10,), (5,), 0.5, 0.25)
    say = host.say
    host.say = lambda m: say(dataclasses.replace(m, outside=outside) if isinstance(m, Usage) else m)
    assert bench.coordinator.end_slot(EndSlot(0, 1.0)).executed_batches == 18
    assert sums(bench)["node/n01/stage/development/waste"] > 0
    report = bench.coordinator.report(ReportQuery())
    assert (report.requests, report.bits) == (18 * 3 + 5, 18 * 800 + 4_040)
    assert (report.tokens_in, report.tokens_out) == (18 * 7 + 35, 18 * 10 + 55)
    found = verify(bench.config.ledger_path)
    assert found.ok, found.findings


def test_network_energy_of_a_parcel_is_booked_once_when_both_its_ends_are_late(bench: Any) -> None:
    bench.join()
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    held: list[Any] = []
    bench.drop = lambda node, message: (
        node in ("n00", "n01") and isinstance(message, Usage) and not held.append((node, message))
    )
    bench.coordinator.end_slot(EndSlot(0, 1.0))
    bench.drop = lambda node, message: False
    for node, message in held:
        bench.coordinator.receive(node, message)
    bench.restart()  # and a coordinator that comes back counts the same
    network = {account: v for account, v in sums(bench).items() if account.startswith("network/stage/")}
    assert sum(network.values()) == 3 * 2000 * 2 + 3 * 5000 * 2
    assert verify(bench.config.ledger_path).ok


NET_J_PER_BYTE = 2e-6
LINES = (
    EnergyLine(Stage.DEVELOPMENT, Component.COMPUTE, 600_000, "modelled"),
    EnergyLine(Stage.UNALLOCATED, Component.STATIC, 400_000, "measured"),
)
BALANCE = Balance(
    **{
        **dict.fromkeys(Balance.__slots__, 0),
        "demand_uj": 1_000_000,
        "grid_uj": 500_000,
        "green_uj": 500_000,
        "harvest_uj": 700_000,
        "export_uj": 200_000,
        "battery_before_uj": 90,
        "battery_after_uj": 90,
    }
)
MOVED = (SettledTransfer("n00", "n01", 300_000, 200_000, 150_000),)
READING = Usage(
    *("n00", "boot1", 7, 9, 3, LINES, 700_000),
    (Executed("n00", 3), Executed("n02", 2)),
    (Moved("n01", True, 2, 2_000), Moved("n02", True, 1, 1_000), Moved("n02", False, 2, 4_000)),
    1_000,
    serving=(Serving("text", 10, 70, 100, 8_000, 0, 0.1, 0.2, 0.3, (10,), (10,), 0.5, 0.25),),
    users=(UserTraffic("n02", Stage.APPLICATION, 100, 50),),
)


def line(holder: str, zone: str, stage: str, component: str, *amounts: int, **more: Any) -> dict[str, Any]:
    energy, grid, grams = amounts
    return {
        "node_id": holder,
        "zone": zone,
        "stage": stage,
        "component": component,
        "energy_uj": energy,
        "grid_uj": grid,
        "operational_pg": grams,
        "provenance": "modelled",
        **more,
    }


def test_a_booking_whole_by_hand() -> None:
    """At 36 g/kWh a microjoule of the grid is 10 pg. Half of the demand is the grid's; one of five batches is waste."""
    parcel = line("network", "A+C", "development", "network", 1, 2, 3)
    context = BookingContext(
        stage=Stage.DEVELOPMENT,
        zone="A",
        intensity_g_per_kwh=36.0,
        net_j_per_byte=NET_J_PER_BYTE,
        transfers=MOVED,
        counted=Counted(4, 1),
        users={"n02": UsersEnd("B", 72.0, 3e-6, 5e-6)},
        parcel_lines=(parcel,),
    )
    shared = [
        line("network", "A", "development", "network", 2_000, 2_000, 20_000),
        line("devices", "B", "application", "radio_tx", 300, 300, 6_000, users="n02"),
        line("devices", "B", "application", "radio_rx", 250, 250, 5_000, users="n02"),
        line("network", "B+A", "application", "network", 300, 300, 4_500, users="n02"),
        parcel,
    ]
    static = line("n00", "A", "unallocated", "static", 400_000, 200_000, 2_000_000, provenance="measured")
    served = {"requests": 8, "tokens_in": 56, "tokens_out": 80, "bits": 6_400}
    body = {
        "stage": "development",
        "zone": "A",
        "intensity_g_per_kwh": 36.0,
        "balance": dataclasses.asdict(BALANCE),
        "lines": [
            line("n00", "A", "development", "compute", 480_000, 240_000, 2_400_000),
            line("n00", "A", "development", "waste", 120_000, 60_000, 600_000),
            static,
            *shared,
        ],
        "transfers": [dataclasses.asdict(MOVED[0])],
        "executed": [["n00", 3], ["n02", 2]],
        "executed_batches": 4,
        "wasted_batches": 1,
        **served,
        "services": [{"service": "text", **served}],
        "model_bytes": 1_000,
        "estimated": False,
        "late": False,
        "reading": "message/n00/boot1/7",
    }
    found = booking(READING, BALANCE, context)
    wanted = Entry(Kind.BOOKING, "booking/3/n00", body, booking_postings("n00", body), 3, "n00")
    assert found.body == body
    assert (found, found.text) == (wanted, wanted.text)
    # Too late, all of it is waste and nothing was delivered.
    nothing = dict.fromkeys(served, 0)
    late_body = {
        **body,
        "lines": [
            line("n00", "A", "development", "compute", 0, 0, 0),
            line("n00", "A", "development", "waste", 600_000, 300_000, 3_000_000),
            static,
            *shared,
        ],
        "executed_batches": 0,
        "wasted_batches": 5,
        **nothing,
        "services": [],
        "estimated": True,
        "late": True,
    }
    found = booking(READING, BALANCE, context, estimated=True, late=True)
    assert found.body == late_body
    assert booking(READING, BALANCE, context, estimated=True).body == {**body, "estimated": True}


def held(kit: Any, folder: Path) -> tuple[Books, SlotState]:
    """Books in slot 3, in which n00 has metered READING: one of its five batches had counted elsewhere."""
    books = Books(kit.make_config(folder, nodes=3))
    for index, node in enumerate(books.config.node_ids):
        books.nodes[node] = NodeState(kit.profile(index), "boot1", "")
        books.balances[f"node/{node}/battery", Unit.MICROJOULES] = 900_000 + index
    decisions: Any = {
        node: Decision(node, 9, 3, Stage.DEVELOPMENT, True, own, (), (), 0, 0, 0, 5.0)
        for node, own in (("n00", 3), ("n01", 0), ("n02", 1))
    }
    plan = SlotPlan(9, 3, tuple(decisions.values()), (), "rule", None, 0.0)
    slot = SlotState(3, Stage.DEVELOPMENT, plan, decisions, (), None, {}, {})
    slot.traded(
        [*MOVED, SettledTransfer("n01", "n02", 9, 8, 7), SettledTransfer("n00", "n02", 9, 0, 0, "void")]
    )
    assert slot.count(READING) == 1
    books.slots[3] = slot
    return books, slot


def context_of(books: Books, counted: Counted, parcel_lines: tuple[Any, ...] = ()) -> BookingContext:
    profile = books.nodes["n02"].profile
    at = books.intensity_g_per_kwh[profile.zone][3]
    return BookingContext(
        stage=Stage.DEVELOPMENT,
        zone="Z0",
        intensity_g_per_kwh=books.intensity_g_per_kwh["Z0"][3],
        net_j_per_byte=NET_J_PER_BYTE,
        transfers=MOVED,
        counted=counted,
        users={"n02": UsersEnd(profile.zone, at, profile.tx_j_per_byte, profile.rx_j_per_byte)},
        parcel_lines=parcel_lines,
    )


def test_a_settlement_and_an_estimate_are_booked_as_the_books_know_the_slot(tmp_path: Path, kit: Any) -> None:
    books, slot = held(kit, tmp_path)
    context = context_of(books, Counted(4, 1))
    assert settled(books, slot, READING, BALANCE) == booking(READING, BALANCE, context)
    profile = books.nodes["n00"].profile
    cautious = close_unreported(profile, 1_000_000, 700_000, 200_000, 0, 900_000)
    assert estimated(books, slot, READING) == booking(READING, cautious, context, estimated=True)


def test_a_late_reading_books_the_parcels_that_the_slot_s_end_did_not_know(tmp_path: Path, kit: Any) -> None:
    """Of three pairs one was booked with the end. Transfers of a silent node are void, and nothing counts."""
    books, slot = held(kit, tmp_path)
    slot.parcel_pairs = {("n00", "n01")}
    slot.posted = {}
    ends = {
        node: (books.nodes[node].profile.zone, books.intensity_g_per_kwh[books.nodes[node].profile.zone][3])
        for node in books.nodes
    }
    new = tuple(
        line
        for parcel in (Parcels("n00", "n02", 1, 1_000), Parcels("n02", "n00", 2, 4_000))
        for line in parcel_line(parcel, Stage.DEVELOPMENT, ends, NET_J_PER_BYTE)
    )
    assert len(new) == 2
    cautious = close_unreported(books.nodes["n00"].profile, 1_000_000, 700_000, 0, 0, 900_000)
    wanted = booking(
        READING,
        cautious,
        dataclasses.replace(context_of(books, Counted(0, 5), new), transfers=()),
        estimated=True,
        late=True,
    )
    assert late(books, slot, READING) == wanted
