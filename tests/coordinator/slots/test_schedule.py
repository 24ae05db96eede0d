"""The schedule on a clock: what leaves with how much time, and how long slots lasted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from coordinator.slots.run_time import RunTime
from coordinator.slots.schedule import Lasted, Schedule
from protos.messages.runner import SlotPlan
from protos.messages.slot import CloseSlot, Decision
from protos.messages.stream import Ack
from protos.messages.terms import Overrun, Stage

DECISION = Decision("n0", 1, 0, Stage.DEVELOPMENT, True, 1, (), (), 0, 0, 0, 6.0)
PLAN = SlotPlan(1, 0, (DECISION,), (), "rule", None, 0.0)


class Clock:
    """Hours away from every other machine's."""

    now = 12_345.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def schedule(clock: Any, overrun: Overrun | None = Overrun.STRETCH) -> Schedule:
    return Schedule(lambda: RunTime.start(2.0, overrun), clock)


def test_run_time_begins_when_the_first_decision_leaves(clock: Clock) -> None:
    made = schedule(clock)
    clock.now += 50.0
    assert made.leaving(DECISION) == replace(DECISION, remaining_s=2.0)
    clock.now += 0.75
    assert made.timed_plan(PLAN).decisions[0].remaining_s == 1.25
    clock.now += 5.0
    assert made.left_s() == 0.0


def test_other_messages_and_the_virtual_clock_are_left_alone(clock: Clock) -> None:
    assert schedule(clock).leaving(Ack("n0", 1)) == Ack("n0", 1)
    virtual = schedule(clock, None)
    assert virtual.leaving(DECISION) is DECISION
    assert virtual.timed_plan(PLAN) is PLAN
    virtual.leaving(CloseSlot(1, 0))
    assert virtual.lasted(0) is None
    assert virtual.left_s() == 0.0


def test_a_slot_lasts_until_its_first_close_and_overran_until_it_was_asked_for(clock: Clock) -> None:
    made = schedule(clock)
    made.leaving(DECISION)
    clock.now += 2.5
    made.ask(0)
    clock.now += 0.25
    made.leaving(CloseSlot(1, 0))
    clock.now += 9.0
    made.ask(0)
    made.leaving(CloseSlot(1, 0))
    assert made.lasted(0) == Lasted(2.75, 0.5)


def test_a_restarted_coordinator_has_the_whole_open_slot_before_it(clock: Clock) -> None:
    """The ledger holds a slot of 2.4 s; the clock of the new start is another machine's, for all it knows."""
    run_time = RunTime.start(2.0, Overrun.SKIP).after(2.4, 0.1)
    made = Schedule(lambda: run_time, clock)
    assert made.left_s() == pytest.approx(1.6), "due at 4, as planned"
    clock.now += 2.0
    assert made.lasted(1) == Lasted(pytest.approx(2.0), pytest.approx(0.4))


def test_where_slots_end_on_time_nodes_are_waited_for_half_a_slot(clock: Clock) -> None:
    waits = {overrun: schedule(clock, overrun).patience_s(10.0) for overrun in (None, *Overrun)}
    assert waits == {None: 10.0, Overrun.STRETCH: 10.0, Overrun.SKIP: 1.0, Overrun.CUT: 1.0}
    assert schedule(clock, Overrun.CUT).leaving(DECISION) == replace(
        DECISION, remaining_s=2.0, deadline_s=2.0
    )
