"""A node's windows: contiguous, from the first decision on, whatever its clock shows; and what rests on them."""

from __future__ import annotations

import math

import pytest

from edge_node.meters.base import Slot
from edge_node.slots.errors import InvalidDecision, NotReady, NoWork
from edge_node.slots.windows import Windows
from edge_node.workload import Parameters
from protos.messages.slot import CloseSlot, EnergyGrant, Usage
from protos.messages.terms import Component, Overrun, Stage
from tests.edge_node.slots.steps import MakeNode, decide, energies, finish, welcome

HOURS_NS = 5 * 3600 * 10**9


class Clock:
    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.mark.parametrize("offset_ns", [0, HOURS_NS, -5 * 10**9])
def test_a_window_ends_where_the_next_begins(offset_ns: int) -> None:
    clock = Clock(offset_ns)
    windows = Windows(clock)
    assert windows.left_s() == math.inf
    clock.pass_s(30.0)
    assert not windows.is_begun
    windows.decided(2.0)
    assert windows.is_begun, "the first decision begins the first window"
    clock.pass_s(1.5)
    assert windows.left_s() == 0.5
    clock.pass_s(0.75)
    assert windows.close() == 2.25
    windows.decided(1.75)
    clock.pass_s(2.0)
    assert windows.left_s() == -0.25
    assert windows.close() == 2.0


def make_timed(make_node: MakeNode, overrun: Overrun = Overrun.STRETCH, **changes: object) -> tuple:
    clock = Clock()
    node = make_node(overrun=overrun, clock_ns=clock, **changes)
    welcome(node)
    return node, clock


def test_power_harvest_and_battery_are_of_the_measured_time(make_node: MakeNode) -> None:
    """The same slot measured to be half as long has half the static and the harvested joules."""
    found = []
    for seconds in (60.0, 30.0):
        node, clock = make_timed(make_node)
        clock.pass_s(17.0)  # before the first decision: no slot's
        node.on_decision(decide("n0", 0, remaining_s=60.0))
        clock.pass_s(seconds)
        usage, settlement = finish(node, 0)
        assert usage.duration_s == seconds
        assert settlement.harvest_uj == usage.harvest_uj
        found.append((usage.harvest_uj, energies(usage)[Component.STATIC]))
    (whole_harvest, whole_static), (half_harvest, half_static) = found
    assert half_harvest == pytest.approx(whole_harvest / 2, abs=1)
    assert half_static == pytest.approx(whole_static / 2, abs=1)


def test_of_a_missed_slot_without_time_there_is_no_reading_and_nothing_is_lost(make_node: MakeNode) -> None:
    node, clock = make_timed(make_node, Overrun.SKIP)
    node.on_decision(decide("n0", 0, remaining_s=60.0))
    clock.pass_s(90.0)
    first, _ = finish(node, 0)
    node.on_decision(decide("n0", 1, remaining_s=0.0, missed=True))
    clock.pass_s(10.0)
    missed, settled = finish(node, 1)
    node.on_decision(decide("n0", 2, remaining_s=20.0, missed=True))
    clock.pass_s(20.0)
    last, _ = finish(node, 2)
    assert (missed.duration_s, missed.lines, missed.harvest_uj, settled.demand_uj) == (0.0, (), 0, 0)
    assert (first.duration_s, last.duration_s) == (90.0, 30.0)


def test_the_last_slot_of_a_run_is_read_though_it_was_missed(make_node: MakeNode) -> None:
    """No window follows that would hold its time."""
    node, clock = make_timed(make_node, Overrun.SKIP, stages=(Stage.DEVELOPMENT,) * 2)
    node.on_decision(decide("n0", 0, remaining_s=60.0))
    clock.pass_s(130.0)
    finish(node, 0)
    node.on_decision(decide("n0", 1, remaining_s=0.0, missed=True))
    clock.pass_s(3.0)
    assert finish(node, 1)[0].duration_s == 3.0


def test_a_node_cut_off_reads_its_absence_in_one_window(make_node: MakeNode) -> None:
    """Slots 1 and 2 are decided without it: no window is opened for them, and none is lost."""
    node, clock = make_timed(make_node)
    opened: list[int] = []
    node._state.meter.open = opened.append
    node.on_decision(decide("n0", 0, remaining_s=60.0))
    clock.pass_s(60.0)
    finish(node, 0)
    assert opened == [1]
    clock.pass_s(130.0)
    node.on_decision(decide("n0", 3, remaining_s=50.0))
    clock.pass_s(50.0)
    assert opened == [1], "the window of slot 1 went on"
    assert node.close(CloseSlot(1, 3)).duration_s == 180.0
    assert opened == [1, 4]


def test_a_decision_of_the_other_clock_is_refused(make_node: MakeNode) -> None:
    node, _ = make_timed(make_node)
    with pytest.raises(InvalidDecision, match="None s are left of slot 0, on the wall clock"):
        node.on_decision(decide("n0", 0))
    virtual = make_node()
    welcome(virtual)
    with pytest.raises(InvalidDecision, match=r"1\.0 s are left of slot 0, on the virtual clock"):
        virtual.on_decision(decide("n0", 0, remaining_s=1.0))


def test_a_decision_told_again_with_less_time_left_changes_nothing_else(make_node: MakeNode) -> None:
    node, clock = make_timed(make_node)
    node.on_decision(decide("n0", 0, own=2, remaining_s=60.0))
    clock.pass_s(10.0)
    assert node.on_decision(decide("n0", 0, own=2, remaining_s=50.0, deadline_s=3.0)) == []
    clock.pass_s(50.0)
    assert finish(node, 0)[0].duration_s == 60.0


def test_what_is_cut_returns_and_is_not_counted(make_node: MakeNode, model: Parameters) -> None:
    node, clock = make_timed(make_node, Overrun.CUT, deadline_slots=1)
    node.workload.before_batch = lambda: clock.pass_s(20.0)
    node.on_decision(decide("n0", 0, own=6, remaining_s=60.0))
    assert node.execute(model).batches == 2
    usage = node.close(CloseSlot(1, 0))
    assert [(each.owner, each.batches) for each in usage.executed] == [("n0", 2)]
    node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert node.telemetry().backlog_batches == (4, 6), "four undone, and six of the next slot"


def test_a_model_that_came_with_no_time_left_is_booked(make_node: MakeNode, model: Parameters) -> None:
    node, clock = make_timed(make_node, Overrun.CUT)
    node.on_decision(decide("n0", 0, own=6, remaining_s=60.0))
    clock.pass_s(59.9)
    with pytest.raises(NoWork, match="no time left"):
        node.execute(model)
    assert node.close(CloseSlot(1, 0)).model_bytes == 16


def test_work_that_ends_between_reading_and_settlement_is_in_the_next_window(
    make_node: MakeNode, model: Parameters
) -> None:
    """As work in which its slot was cut: two batches at 0.4 J, for nothing."""
    node, clock = make_timed(make_node, Overrun.CUT, deadline_slots=1)
    closed: list[Usage] = []
    node.workload.before_training = lambda: closed.append(node.close(CloseSlot(1, 0)))
    node.on_decision(decide("n0", 0, own=2, remaining_s=60.0))
    with pytest.raises(NotReady, match="too late"):
        node.execute(model)
    node.on_grant(EnergyGrant("n0", 1, 0, 0, 0))
    assert Component.WASTE not in energies(closed[0])
    node.on_decision(decide("n0", 1, remaining_s=60.0))
    clock.pass_s(60.0)
    usage = node.close(CloseSlot(1, 1))
    assert energies(usage)[Component.WASTE] == 2 * 400_000


def test_slots_of_meters_know_no_duration_on_the_virtual_clock(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    seen: list[Slot] = []
    close = node._state.meter.close
    node._state.meter.close = lambda slot: seen.append(slot) or close(slot)
    node.on_decision(decide("n0", 0))
    usage, _ = finish(node, 0)
    assert usage.duration_s is None
    assert seen[0].duration_s is None
