"""Run time: when slots are due after each kind of overrun, and which are missed."""

from __future__ import annotations

import pytest

from coordinator.slots.run_time import GRACE_FRACTION, MOST_BEHIND, RunTime
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


def test_missed_slots_that_make_a_run_later_never_let_it_catch_up() -> None:
    """To end a missed slot of 0.1 s takes 0.3 s; one long delay among slots that help is no such case."""
    behind = RunTime.start(0.1, Overrun.SKIP).after(1.0, 0.9)
    for missed in range(MOST_BEHIND):
        assert not behind.falls_behind, missed
        behind = behind.after(0.3, behind.overran_s + 0.2)
    assert behind.falls_behind
    helped = RunTime.start(0.1, Overrun.SKIP).after(5.0, 4.9)
    for missed in range(3 * MOST_BEHIND):
        took_s = 9.0 if missed == 5 else 0.05
        helped = helped.after(took_s, helped.overran_s + took_s - 0.1)
        assert not helped.falls_behind
    assert not behind.after(0.1, 0.0).after(0.1, 0.0).falls_behind, "a slot that was held begins anew"
