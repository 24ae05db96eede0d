"""How long a node's window can have been, by the coordinator's own clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coordinator.ledger import verify
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import read_entries
from coordinator.policies.registry import make_policy
from coordinator.slots.window_bounds import WindowBounds
from protos.messages.slot import CloseSlot, Usage
from protos.messages.terms import Overrun

SLOT_S = 2.0


class Clock:
    now = 5_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def reading(slot: int, duration_s: float, boot: str = "b1") -> Usage:
    return Usage("n0", boot, slot + 1, 1, slot, (), 0, (), (), 0, duration_s=duration_s)


def read(bounds: WindowBounds, clock: Clock, slot: int, told_s: float, late_s: float = 0.0) -> list[str]:
    """A slot of SLOT_S by the coordinator's clock, whose reading takes ``late_s`` to come."""
    clock.now += SLOT_S
    bounds.leaves(CloseSlot(1, slot))
    clock.now += late_s
    found = bounds.judge(reading(slot, told_s))
    clock.now -= late_s
    return found


def test_windows_that_tile_the_run_are_believed_and_others_named(clock: Clock) -> None:
    bounds = WindowBounds(SLOT_S, clock)
    bounds.came("n0", "b1")
    assert read(bounds, clock, 0, 1.9) == []
    assert read(bounds, clock, 1, 2.1) == []
    (long,) = read(bounds, clock, 2, 7.0)
    assert "lasted 7 s by its clock; by the coordinator's it was 1.798 to 2.202 s" in long
    assert len(read(bounds, clock, 3, 0.5)) == 1, "a clock that stood still"
    assert read(bounds, clock, 4, 2.0) == [], "the next window is judged from where the last one ended"


def test_a_slot_without_a_reading_is_in_the_next_window_or_lost(clock: Clock) -> None:
    for told_s in (4.0, 2.0):
        bounds = WindowBounds(SLOT_S, clock)
        bounds.came("n0", "b1")
        assert read(bounds, clock, 0, 2.0) == []
        clock.now += SLOT_S  # slot 1: the node was cut off, or its meter had no reading
        bounds.leaves(CloseSlot(1, 1))
        assert read(bounds, clock, 2, told_s) == []
    assert len(read(bounds, clock, 3, 6.5)) == 1


def test_a_missed_slot_of_which_nothing_was_left_ends_no_window(clock: Clock) -> None:
    bounds = WindowBounds(SLOT_S, clock)
    bounds.came("n0", "b1")
    assert read(bounds, clock, 0, 2.0) == []
    bounds.leaves(CloseSlot(1, 1))
    assert bounds.judge(reading(1, 0.0)) == []
    assert len(read(bounds, clock, 2, 0.1)) == 1, "the window of slot 2 began where that of slot 0 ended"


def test_a_start_from_before_this_coordinator_is_bounded_by_a_day(clock: Clock) -> None:
    bounds = WindowBounds(SLOT_S, clock, [("n0", "b1")])
    bounds.came("n0", "b1")
    assert read(bounds, clock, 3, 3_600.0) == []
    assert len(read(bounds, clock, 4, 3_600.0)) == 1
    again = WindowBounds(SLOT_S, clock, [("n0", "b1")])
    assert len(read(again, clock, 3, 100_000.0)) == 1
    again.came("n0", "b2")
    assert len(again.judge(reading(4, 3_600.0, "b2"))) == 1, "a new start began after it registered"


def test_an_absurd_duration_is_a_gap_of_that_node_and_the_others_go_on(tmp_path: Path, kit: Any) -> None:
    config = kit.make_config(tmp_path, overrun=Overrun.STRETCH, lease_s=1e9)
    bench = kit.Bench(config, make_policy("local"))
    for stub in bench.nodes.values():
        stub.lasted_s = kit.SLOT_S
    bench.join()
    bench.run_slot(0)
    bench.nodes["n01"].lasted_s = 5 * kit.SLOT_S
    bench.run_slot(1)
    bench.close()
    entries = [stored.entry for stored in read_entries(config.ledger_path) if stored.entry.slot == 1]
    assert [e.node_id for e in entries if e.kind is Kind.GAP] == ["n01"]
    assert sorted(e.node_id for e in entries if e.kind is Kind.BOOKING) == ["n00", "n02"]
    (alarm,) = [e.body for e in entries if e.kind is Kind.ALARM]
    assert alarm["alarm"] == "implausible"
    assert "n01: its window lasted 300 s by its clock" in alarm["reason"]
    assert verify(config.ledger_path).ok
