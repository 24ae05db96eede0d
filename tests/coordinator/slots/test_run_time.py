"""Run time: when slots are due after each kind of overrun, and which are missed."""

from __future__ import annotations

import pytest

from coordinator.slots.run_time import GRACE_FRACTION, RunTime
from protos.messages.terms import Overrun


@pytest.mark.parametrize("overrun", Overrun)
def test_waking_up_late_adds_up_to_nothing(overrun: Overrun) -> None:
    time = RunTime.start(2.0, overrun)
    late_s = 0.01
    for slot in range(20):
        time = time.after(2.0 + (late_s if slot == 0 else 0.0), 0.0)
    assert time.due_s == pytest.approx(42.0)
    assert time.end_s == pytest.approx(40.0 + late_s)


def test_a_stretched_slot_moves_all_later_ones_and_the_others_do_not() -> None:
    due = {}
    for overrun in Overrun:
        time = RunTime.start(2.0, overrun)
        time = time.after(2.7, 0.7)
        due[overrun] = time.due_s
    assert due == {Overrun.STRETCH: pytest.approx(4.7), Overrun.SKIP: 4.0, Overrun.CUT: 4.0}


def test_a_slot_is_missed_where_more_than_a_tenth_of_its_time_went_by() -> None:
    for overrun in Overrun:
        for share in (GRACE_FRACTION, 1.01 * GRACE_FRACTION):
            time = RunTime.start(2.0, overrun)
            time = time.after(2.0 * (1 + share), 2.0 * share)
            assert time.is_missed is (overrun is Overrun.SKIP and share > GRACE_FRACTION)


def test_a_slot_that_nobody_lived_through_does_not_lengthen_the_next() -> None:
    time = RunTime.start(2.0, Overrun.STRETCH)
    time = time.after(0.5, 0.0)
    assert time.due_s == 2.5


def test_on_the_virtual_clock_nothing_is_missed() -> None:
    assert not RunTime.start(2.0, None).is_missed
