"""When work stops: a step that would not be done before the slot's end is not begun."""

from __future__ import annotations

from edge_node.slots.cut import Cut


def steps(slot_s: float, step_s: float) -> int:
    left_s, done = slot_s, 0
    cut = Cut(lambda: left_s, slot_s)
    while not cut():
        left_s -= step_s
        done += 1
    return done


def test_as_many_steps_as_fit_before_the_reserve() -> None:
    assert steps(1.0, 0.1) == 9, "0.95 s of work time"
    assert steps(1.0, 0.24) == 3


def test_the_first_step_is_of_unknown_length() -> None:
    assert steps(1.0, 5.0) == 1


def test_nothing_is_begun_within_the_reserve() -> None:
    assert Cut(lambda: 0.04, 1.0)()
    assert Cut(lambda: -3.0, 1.0)()
