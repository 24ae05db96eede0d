"""The books before entries that may yet fail. All handlers: tests/reliability/test_fault_01_memory_and_file.py."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger.entry import Entry, Kind
from coordinator.ledger.store import read_entries
from coordinator.slots.books import Books, _content
from coordinator.slots.savepoint import Savepoint
from coordinator.slots.state import Phase
from tests.carbon_data.live.replayed import Replayed
from tests.coordinator.slots.trader import Trader
from tests.reliability.sabotage import memory, plain


def test_books_are_put_back_into_the_same_objects(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2), Trader())
    bench.join("n00")
    service, books = bench.coordinator.service, bench.coordinator.service.books
    node, before = books.nodes["n00"], memory(service)
    second = bench.nodes["n01"].register()

    def fails() -> None:
        with books.together():
            service.register(second)
            books.enter([Entry(Kind.ADJUSTMENT, "a", {}, node_id="n00")])
            books.enter([Entry(Kind.GAP, "g", {}, slot=9, node_id="n00")])  # no such slot

    with pytest.raises(KeyError):
        fails()
    assert memory(service) == before
    assert books.nodes["n00"] is node
    assert list(books.nodes) == ["n00"]
    bench.close()


def test_a_block_without_an_error_stands_and_a_later_one_restores_to_it(tmp_path: Path, kit: Any) -> None:
    bench = kit.Bench(kit.make_config(tmp_path, nodes=1), Trader())
    bench.join()
    books = bench.coordinator.service.books
    with books.together():
        books.enter([Entry(Kind.ALARM, "x", {"alarm": "test"})])
    stands = memory(bench.coordinator.service)
    assert books.alarms == 1
    kept = Savepoint(books)
    kept.keep(alarm := Entry(Kind.ALARM, "y", {"alarm": "test"}))
    books.apply(alarm)
    assert books.alarms == 2
    kept.restore()
    assert memory(bench.coordinator.service) == stands
    bench.close()


def test_rows_and_whole_tables_are_put_back_in_the_order_they_were_kept(tmp_path: Path, kit: Any) -> None:
    """A decision empties the table of telemetry, before which and after which nodes send theirs."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=2, slots=3), Trader())
    bench.join()
    bench.run_slot(0)
    books = bench.coordinator.service.books
    before = dict(books.waiting)
    stored = [s.entry for s in read_entries(bench.config.ledger_path)]
    decision = next(entry for entry in stored if entry.kind is Kind.DECISION)
    told = [entry for entry in stored if entry.kind is Kind.TELEMETRY]
    for order in ([*told, decision], [decision, *told], [told[0], decision, told[1]]):
        kept = Savepoint(books)
        for entry in order:
            kept.keep(entry)
            if entry is decision:
                books.waiting.clear()
            else:
                books.waiting[entry.node_id] = entry  # type: ignore[assignment]
        kept.restore()
        assert books.waiting == before
    bench.close()


def test_live_signals_are_put_back(tmp_path: Path, kit: Any, replayed: Replayed) -> None:
    bench = kit.Bench(kit.live_config(tmp_path, replayed.url), Trader())
    bench.join()
    bench.run_slot(0)
    books = bench.coordinator.service.books
    before = copy.deepcopy((books.zones, books.intensity_g_per_kwh, books.frozen_slots))
    kept = Savepoint(books)
    (signal,) = [s.entry for s in read_entries(bench.config.ledger_path) if s.entry.kind is Kind.SIGNAL]
    kept.keep(signal)
    books.apply(signal)
    assert books.frozen_slots == before[2] + 1
    kept.restore()
    assert (books.zones, books.intensity_g_per_kwh, books.frozen_slots) == before
    bench.close()


def test_an_entry_of_one_node_keeps_what_the_slot_holds_of_it(tmp_path: Path, kit: Any) -> None:
    """Every entry of a slot alone, and all together: the end of the slot keeps it whole, after its nodes' rows."""
    bench = kit.Bench(kit.make_config(tmp_path, nodes=3, slots=2), Trader())
    bench.join()
    bench.run_slot(0)
    entries = [stored.entry for stored in read_entries(bench.config.ledger_path)]
    of_a_node = {Kind.USAGE, Kind.BOOKING}
    decided = next(k for k, entry in enumerate(entries) if entry.kind is Kind.DECISION)
    books = Books(bench.config)
    for entry in entries[: decided + 1]:
        books.apply(entry)
    begun = plain(books.slots[0])
    together = Savepoint(books)
    for entry in entries[decided + 1 :]:
        live = replace(entry, record=_content(entry)) if entry.kind is Kind.USAGE else entry
        before = plain(vars(books))
        alone = Savepoint(books)
        for kept in (alone, together):
            kept.keep(live)
        assert entry.kind not in of_a_node or ("slots", 0) not in alone._states  # no copy of the whole slot
        books.apply(live)
        alone.restore()
        assert plain(vars(books)) == before
        books.apply(live)
    assert books.slots[0].phase is Phase.ENDED
    assert {entry.kind for entry in entries} > of_a_node | {Kind.SLOT_END, Kind.TRADE}
    together.restore()
    assert plain(books.slots[0]) == begun
    bench.close()
