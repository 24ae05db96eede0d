"""The durable state of a run, as a fold over the ledger's entries."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from coordinator.config import LimitsConfig
from coordinator.ledger.entry import Entry, Kind, LedgerError, Posting, Unit
from coordinator.ledger.store import read_entries
from coordinator.policies.registry import make_policy
from coordinator.slots.books import Books
from coordinator.slots.delivered import COUNTS
from coordinator.slots.lines import Parcels
from coordinator.slots.state import NodeState, Phase, Standing
from coordinator.slots.trade import SettledTransfer, Transfer
from protos.messages.runner import BeginSlot, EndSlot, SlotPlan, SlotSummary
from protos.messages.slot import Decision, Executed, Moved, Send, SleepReport, Telemetry, Usage
from protos.messages.stream import Register
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import Trader


def test_a_board_is_where_it_says_it_is_and_not_where_it_was_wished(tmp_path: Path, kit: Any) -> None:
    """n00 says that it slept, n01 that it could not; a coordinator that reads the ledger knows the same."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3), make_policy("local"))
    for stub in bench.nodes.values():
        stub.release = 0
    slept, failed = SleepReport(asleep=True), SleepReport(asleep=False, failed="no such governor")
    bench.nodes["n00"].slept, bench.nodes["n01"].slept = {0: slept}, {0: failed}
    bench.join()
    bench.run_slot(0)
    bench.close()
    again = Books(bench.config)
    for stored in read_entries(bench.config.ledger_path):
        again.apply(stored.entry)
    for books in (bench.coordinator.service.books, again):
        assert {name: node.asleep for name, node in books.nodes.items()} == {
            "n00": True,
            "n01": False,
            "n02": False,
        }


def test_a_ledger_whose_slot_ends_untraded_is_refused(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2), make_policy("deta"))
    bench.join()
    bench.run_slot(0)
    bench.close()
    entries = [stored.entry for stored in read_entries(bench.config.ledger_path)]
    whole = Books(bench.config)
    for entry in entries:
        whole.apply(entry)
    assert whole.slots[0].phase is Phase.ENDED
    books = Books(bench.config)
    untraded = (entry for entry in entries if entry.kind is not Kind.TRADE)
    with pytest.raises(LedgerError, match="slot_end of slot 0, which is running; allowed is trade"):
        books.enter(untraded)


def test_states_of_nodes_and_of_a_slot_whole_after_a_run(tmp_path: Path, kit: Any) -> None:
    """Two nodes over two slots under TRADER: n00 exports a third of its harvest and sends two of six batches; n01 is
    silent in slot 1. Every field of the states, by hand; a restarted coordinator knows the same."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2), Trader())
    bench.join()
    books = bench.coordinator.service.books
    n00, n01 = (bench.nodes[node] for node in ("n00", "n01"))
    fresh = NodeState(n00.profile, "boot1", "", {"boot1"}, acked_seq=1, opened=True)
    assert books.nodes["n00"] == fresh
    assert set(books.waiting) == {"n00", "n01"}
    bench.coordinator.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 1.0))
    assert books.waiting == {}
    slot = books.slots[0]
    assert (slot.slot, slot.stage, slot.epoch, slot.market) == (0, Stage.DEVELOPMENT, 1, None)
    assert slot.boots == {"n00": "boot1", "n01": "boot1"}
    assert slot.selected is None
    assert {node: told.slot for node, told in slot.telemetry.items()} == {"n00": 0, "n01": 0}
    assert set(slot.decisions) == {"n00", "n01"}
    assert all(slot.decisions[node] is told for told in slot.plan.decisions for node in [told.node_id])
    given = n00.harvest(0) // 3
    assert slot.transfers == (
        Transfer("n00", "n01", pytest.approx(given, abs=1)),
        Transfer("n01", "n00", pytest.approx(n01.harvest(0) // 3, abs=1)),
    )
    assert slot.standing == dict.fromkeys(("n00", "n01"), Standing.WORKING)
    assert books.open_slot is slot
    bench.coordinator.end_slot(EndSlot(0, 1.0, 1000, 10))
    assert slot.standing == dict.fromkeys(("n00", "n01"), Standing.BOOKED)
    assert books.open_slot is None
    assert slot.counted == {"n00": 6, "n01": 6}
    assert slot.wasted == {"n00": 0, "n01": 0}
    assert slot.away == {"n00": 2, "n01": 2}
    assert slot.settled == {"n00", "n01"}
    assert slot.parcel_pairs == {("n00", "n01"), ("n01", "n00")}
    assert slot.summary is not None
    booked = [s.entry.body for s in bench.coordinator.ledger.entries() if s.entry.kind is Kind.BOOKING]
    shared = [s.entry.body for s in bench.coordinator.ledger.entries() if s.entry.kind is Kind.SLOT_END]
    lines = [line for body in (*booked, *shared) for line in body["lines"]]
    assert slot.totals == {
        **{
            name: sum(body["balance"][name] for body in booked)
            for name in ("demand_uj", "grid_uj", "green_uj")
        },
        "emissions_pg": sum(line["operational_pg"] for line in lines),
        "shared_uj": sum(line["energy_uj"] for line in lines if not line["node_id"].startswith("n0")),
    }
    state = books.nodes["n00"]
    assert state == dataclasses.replace(
        fresh,
        acked_seq=4,
        participations=1,
        harvested_uj=n00.harvest(0),
        given_uj=slot.trade[0].sent_uj,
    )
    bench.coordinator.begin_slot(BeginSlot(1, Stage.DEVELOPMENT, 1.0))
    bench.mute = {"n01"}
    bench.coordinator.end_slot(EndSlot(1, 1.0, 1000, 10))
    silent, second = books.nodes["n01"], books.slots[1]
    assert (silent.uncertain, silent.participations, silent.acked_seq) == (True, 1, 4)
    assert silent.harvested_uj == n01.harvest(0)
    assert second.standing == {"n00": Standing.BOOKED, "n01": Standing.MISSING}
    assert (books.gaps, books.alarms, books.fallbacks, books.epoch) == (1, 0, 0, 1)
    counted = sum(body["executed_batches"] for body in bookings_of(bench))
    assert books.delivered == {
        "requests": 3 * counted,
        "tokens_in": 7 * counted,
        "tokens_out": 10 * counted,
        "bits": 800 * counted,
    }
    whole = Books(bench.config)
    for stored in bench.coordinator.ledger.entries():
        whole.apply(stored.entry)
    bench.close()
    for name in (
        "epoch",
        "nodes",
        "slots",
        "waiting",
        "balances",
        "delivered",
        "alarms",
        "fallbacks",
        "gaps",
    ):
        assert getattr(whole, name) == getattr(books, name), name


def bookings_of(bench: Any) -> list[Any]:
    return [s.entry.body for s in bench.coordinator.ledger.entries() if s.entry.kind is Kind.BOOKING]


def entry(kind: Kind, body: Any, slot: int | None = None, node: str = "", *postings: Posting) -> Entry:
    return Entry(kind, f"{kind}/{slot}/{node}", body, postings, slot, node)


def registered(kit: Any, folder: Path, *nodes: str) -> Books:
    """Books of three nodes with a profile, an address and a start each."""
    books = Books(kit.make_config(folder, nodes=3, limits=LimitsConfig(deadline_slots=1)))
    for node in nodes:
        message = Register(node, "boot1", f"{node}:1", kit.profile(int(node[1:])))
        books.apply(entry(Kind.REGISTRATION, asdict(message), node=node))
    return books


def told(node: str, seq: int, boot: str = "boot1", slot: int = 0, backlog: tuple[int, ...] = (2, 6)) -> Entry:
    message = Telemetry(node, boot, seq, slot, 700, (1,), backlog)
    return entry(Kind.TELEMETRY, asdict(message), slot, node)


def test_before_the_first_entry_nothing_is_known(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path)
    books = Books(config)
    assert books.config is config
    assert books.intensity_g_per_kwh == {zone.zone: list(zone.intensity_g_per_kwh) for zone in config.zones}
    assert (books.epoch, books.alarms, books.fallbacks, books.gaps, books.next_slot) == (0, 0, 0, 0, 0)
    assert (books.nodes, books.slots, books.waiting, books.balances) == ({}, {}, {}, {})
    assert books.delivered == {"requests": 0, "tokens_in": 0, "tokens_out": 0, "bits": 0}


def test_a_start_of_a_node_replaces_the_one_before(tmp_path: Path, kit: Any) -> None:
    books = registered(kit, tmp_path, "n00", "n01")
    first = NodeState(kit.profile(0), "boot1", "n00:1", {"boot1"})
    assert books.nodes == {"n00": first, "n01": NodeState(kit.profile(1), "boot1", "n01:1", {"boot1"})}
    again = Register("n00", "boot1", "other:2", kit.profile(2))
    books.apply(entry(Kind.REGISTRATION, asdict(again), node="n00"))
    assert books.nodes["n00"] == first, "the same start again changes nothing"
    books.apply(told("n00", 5))
    books.apply(told("n01", 4))
    assert (books.nodes["n00"].acked_seq, books.nodes["n01"].acked_seq) == (5, 4)
    books.apply(told("n00", 3))
    assert books.nodes["n00"].acked_seq == 5
    books.apply(told("n00", 9, boot="boot0"))
    assert books.nodes["n00"].acked_seq == 5, "numbers of another start are none of this one"
    assert {node: waits.seq for node, waits in books.waiting.items()} == {"n00": 9, "n01": 4}
    books.apply(entry(Kind.OPENING, {}, 0, "n00"))
    known = dataclasses.replace(first, acked_seq=5, opened=True)
    assert books.nodes["n00"] == known
    books.apply(entry(Kind.REGISTRATION, asdict(dataclasses.replace(again, boot_id="boot2")), node="n00"))
    assert books.nodes["n00"] == NodeState(
        kit.profile(2), "boot2", "other:2", {"boot1", "boot2"}, None, opened=True, uncertain=True
    )
    assert list(books.waiting) == ["n01"]
    books.apply(entry(Kind.ADJUSTMENT, {}, 0, "n00"))
    assert not books.nodes["n00"].uncertain
    books.nodes["n00"].uncertain = True
    books.apply(told("n00", 1, boot="boot2"))
    assert (books.nodes["n00"].acked_seq, books.nodes["n00"].uncertain) == (1, False)
    body = {"node_id": "n00", "boot_id": "boot2", "seq": 8}
    books.apply(entry(Kind.SETTLEMENT, body, 0, "n00"))
    assert books.nodes["n00"].acked_seq == 8


def decide(books: Books, slot: int, market: dict[str, Any] | None = None, **changes: Any) -> None:
    """n00 runs one of its batches and sends one; n01 sleeps."""
    sends = (Send("n01", "", 1),)
    decisions = (
        Decision("n00", 4, slot, Stage.DEVELOPMENT, True, 1, sends, (), 0, 0, 0, 5.0),
        Decision("n01", 4, slot, Stage.DEVELOPMENT, False, 0, (), (), 0, 0, 0, 5.0),
    )
    plan = SlotPlan(4, slot, decisions, (), changes.pop("status", "rule"), None, 0.0)
    body = {
        "stage": "development",
        "plan": asdict(plan),
        "transfers": [["n00", "n01", 17]],
        "selected": None,
        **changes,
    }
    if market is not None:
        body |= {"market": market, "boots": {"n00": "boot1", "n01": "boot7"}}
    books.apply(entry(Kind.DECISION, body, slot))


def test_a_decision_takes_up_what_nodes_told_and_what_it_leaves_of_their_work(
    tmp_path: Path, kit: Any
) -> None:
    """Of (2, 6) batches (1, 3) may leave. One left and one ran: both were due; six are left, with room for three."""
    books = registered(kit, tmp_path, "n00", "n01", "n02")
    for k, node in enumerate(("n00", "n01", "n02")):
        books.apply(told(node, 2 + k))
    waiting = dict(books.waiting)
    assert (books.next_slot, books.open_slot) == (0, None)
    decide(books, 0, status="fallback: local", selected=["n01"])
    slot = books.slots[0]
    assert (books.next_slot, books.open_slot, books.waiting, books.fallbacks) == (1, slot, {}, 1)
    assert (slot.slot, slot.stage, slot.epoch, slot.market) == (0, Stage.DEVELOPMENT, 4, None)
    assert slot.telemetry == {node: waiting[node] for node in ("n00", "n01")}
    assert slot.boots == {"n00": "boot1", "n01": "boot1"}
    assert slot.selected == frozenset({"n01"})
    assert slot.transfers == (Transfer("n00", "n01", 17),)
    assert [(s.carried_batches, s.carried_room, s.asleep) for s in books.nodes.values()] == [
        ((6, 0), (3, 0), False),
        ((6, 0), (3, 0), True),
        (None, None, False),
    ]
    assert (books.same_boot(slot, "n00"), books.same_boot(slot, "n01")) == (True, True)
    assert books.zones_in(slot) == {
        node: (zone, books.intensity_g_per_kwh[zone][0]) for node, zone in (("n00", "Z0"), ("n01", "Z1"))
    }
    decide(books, 1, market={"rounds": 3})
    slot = books.slots[1]
    assert (slot.telemetry, slot.market, slot.selected) == ({}, {"rounds": 3}, None)
    assert slot.boots == {"n00": "boot1", "n01": "boot7"}
    assert (books.same_boot(slot, "n00"), books.same_boot(slot, "n01")) == (True, False)
    assert books.zone_in(slot, "n01") == ("Z1", books.intensity_g_per_kwh["Z1"][1])
    assert books.nodes["n00"].carried_batches == (6, 0), "a node of a market keeps its own account"
    assert (books.fallbacks, books.next_slot) == (1, 2)


def used(node: str, executed: dict[str, int], seq: int = 11) -> Entry:
    ran = tuple(Executed(owner, count) for owner, count in executed.items())
    moved = (Moved("n01", True, 1, 10), Moved("n02", False, 1, 10))
    message = Usage(node, "boot1", seq, 4, 0, (), 0, ran, moved, 0)
    return entry(Kind.USAGE, asdict(message), 0, node)


def booked(node: str, factor: int, **changes: Any) -> Entry:
    names = ("demand_uj", "grid_uj", "green_uj", "harvest_uj", "export_uj")
    body = {
        "balance": {name: factor * 10**k for k, name in enumerate(names)},
        "lines": [
            {"node_id": node, "energy_uj": 1, "operational_pg": 7 * factor},
            {"node_id": "network", "energy_uj": 3 * factor, "operational_pg": 5 * factor},
        ],
        "estimated": False,
        "late": False,
        **{name: factor + k for k, name in enumerate(COUNTS)},
        **changes,
    }
    return entry(Kind.BOOKING, body, 0, node)


def test_a_slot_from_its_readings_to_its_end(tmp_path: Path, kit: Any) -> None:
    """n00 settles, n01 is booked by an estimate, n02 has no decision: a gap."""
    books = registered(kit, tmp_path, "n00", "n01")
    for node in ("n00", "n01"):
        books.apply(told(node, 2))
    decide(books, 0)
    slot = books.slots[0]
    books.apply(used("n00", {"n00": 1}))
    books.apply(used("n01", {"n01": 1}, seq=12))
    assert [(s.participations, s.acked_seq) for s in books.nodes.values()] == [(1, 11), (0, 12)]
    assert (slot.counted, slot.wasted) == ({"n00": 1, "n01": 0}, {"n00": 0, "n01": 1})
    sent = SettledTransfer("n00", "n01", 17, 9, 8)
    books.apply(entry(Kind.TRADE, {"transfers": [asdict(sent)]}, 0))
    assert (slot.phase, slot.trade) == (Phase.TRADED, (sent,))
    books.apply(booked("n00", 2))
    books.apply(booked("n01", 3, estimated=True))
    assert slot.settled == {"n00"}
    assert slot.standing == dict.fromkeys(("n00", "n01"), Standing.BOOKED)
    assert [s.uncertain for s in books.nodes.values()] == [False, True]
    assert [(s.harvested_uj, s.given_uj) for s in books.nodes.values()] == [(2_000, 20_000), (3_000, 30_000)]
    assert slot.totals == {
        "emissions_pg": 12 * 5,
        "shared_uj": 3 * 5,
        "demand_uj": 5,
        "grid_uj": 50,
        "green_uj": 500,
    }
    assert books.delivered == {name: 5 + 2 * k for k, name in enumerate(COUNTS)}
    books.apply(entry(Kind.GAP, {"reason": "no lease"}, 0, "n02"))
    assert (books.gaps, list(books.nodes)) == (1, ["n00", "n01"])
    summary = SlotSummary(0, 1, 2, 3, 4, 5, 6, 7, 8, ("n00",), ("n02",))
    parcels = [asdict(Parcels("n00", "n01", 1, 10))]
    lines = [{"node_id": "router", "energy_uj": 100, "operational_pg": 1_000}]
    books.apply(entry(Kind.SLOT_END, {"summary": asdict(summary), "lines": lines, "parcels": parcels}, 0))
    assert (slot.phase, slot.summary, slot.parcel_pairs) == (Phase.ENDED, summary, {("n00", "n01")})
    assert (slot.totals["emissions_pg"], slot.totals["shared_uj"]) == (1_060, 115)
    assert books.open_slot is None


def test_a_late_booking_keeps_its_parcels_and_a_gap_leaves_a_battery_uncertain(
    tmp_path: Path, kit: Any
) -> None:
    books = registered(kit, tmp_path, "n00", "n01")
    for node in ("n00", "n01"):
        books.apply(told(node, 2))
    decide(books, 0)
    slot = books.slots[0]
    books.apply(entry(Kind.GAP, {"reason": "no reading"}, 0, "n00"))
    assert (books.gaps, slot.standing["n00"]) == (1, Standing.MISSING)
    assert [s.uncertain for s in books.nodes.values()] == [True, False]
    books.apply(used("n00", {"n00": 1}))
    slot.parcel_pairs = {("n01", "n02")}
    books.apply(booked("n00", 1, late=True, estimated=True))
    assert slot.parcel_pairs == {("n01", "n02"), ("n00", "n01"), ("n02", "n00")}
    assert slot.settled == set()
    books.apply(entry(Kind.ALARM, {}, 0, "n00"))
    assert books.alarms == 1


def test_postings_add_up_by_account_and_unit(tmp_path: Path, kit: Any) -> None:
    books = registered(kit, tmp_path, "n00")
    uj, pg = Unit.MICROJOULES, Unit.PICOGRAMS
    account = "node/n00/battery"
    for amount in (5, 7):
        postings = (
            Posting(account, uj, amount),
            Posting("x", uj, -amount),
            Posting(account, pg, 2 * amount),
            Posting("x", pg, -2 * amount),
        )
        effects = books.enter([entry(Kind.START, {"epoch": amount}, None, "", *postings)])
        assert [one.body for one in effects.entries] == [{"epoch": amount}]
        assert effects.sends == ()
    assert books.balances == {(account, uj): 12, ("x", uj): -12, (account, pg): 24, ("x", pg): -24}
    assert (books.battery_uj("n00"), books.battery_uj("n01"), books.epoch) == (12, 0, 7)
