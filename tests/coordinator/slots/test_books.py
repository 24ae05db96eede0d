"""The durable state of a run, as a fold over the ledger's entries."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import Kind, LedgerError
from coordinator.ledger.store import read_entries
from coordinator.policies.registry import make_policy
from coordinator.slots.books import Books
from coordinator.slots.state import NodeState, Phase, Standing
from coordinator.slots.trade import Transfer
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.terms import Stage
from tests.coordinator.slots.trader import Trader


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
