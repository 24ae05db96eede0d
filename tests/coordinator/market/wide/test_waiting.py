"""Work that may wait as flows: which classes are one, and from flows back to classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub
from coordinator.market.wide.waiting import Waiting, flows_of, in_classes, least_g, windows


def program_of(batches: list[float], leave: list[float], deadline: int = 2) -> hub.HubProgram:
    """Two nodes, three slots, work that may wait; the second node has twice the work of the first."""
    program = hub.from_fleet(random_fleet(4, 2, 3, deadline_slots=deadline))
    both = np.array([1.0, 2.0])
    return replace(
        program,
        class_batches=np.outer(batches, both),
        offload_cap_batches=np.outer(leave, both),
        unserved_g=np.outer([9.0] * 3 + [3.0] * deadline, np.ones(2)),
    )


def numbers(program: hub.HubProgram) -> list[tuple[bool, list[int]]]:
    return [(flow.leaves, [one.number for one in flow.classes]) for flow in flows_of(program)]


def test_classes_in_order_are_one_flow_of_what_may_leave_and_one_of_what_must_stay() -> None:
    program = program_of([4.0, 2.0, 3.0, 1.0, 5.0], [4.0, 1.0, 9.0, 0.5, 1.0])
    assert numbers(program) == [(True, [0, 1, 2, 3, 4]), (False, [0, 1, 2, 3, 4])]
    runs = [(one.number, one.first, one.last, one.beyond) for one in windows(program)]
    assert runs == [(0, 0, 0, False), (1, 0, 1, False), (2, 0, 2, False), (3, 1, 2, True), (4, 2, 2, True)]
    first = Waiting.of(program, flows_of(program))
    assert first.leaving == 1
    assert first.arrived[:, :, 1].tolist() == [[2 * 8.0, 2 * 0.5, 2 * 1.0], [2 * 1.0, 2 * 0.5, 2 * 4.0]]
    assert first.most_waiting[:, :, 0].tolist() == [[4.0, 3.5, 1.5], [1.0, 0.5, 4.5]]
    assert first.due[:, :, 0].tolist() == [[4.0, 1.0, 3.0], [0.0, 1.0, 0.0]]
    assert first.unserved_g[0, :, 0].tolist() == [9.0] * 3
    assert first.left_g.tolist() == [[3.0] * 2] * 2
    assert first.never_g == 0.0


def test_a_flow_without_work_is_none() -> None:
    assert numbers(program_of([1.0] * 5, [0.0] * 5)) == [(False, [0, 1, 2, 3, 4])]
    assert numbers(program_of([1.0] * 5, [1.0] * 5)) == [(True, [0, 1, 2, 3, 4])]
    assert numbers(program_of([0.0] * 5, [0.0] * 5)) == []


def test_classes_out_of_order_are_a_flow_of_their_own() -> None:
    """Class 3, released in slot 1, ends with it: the backlog with two slots left may run later."""
    program = program_of([1.0] * 5, [0.0] * 5)
    closed = program.closed.copy()
    closed[1, 2] = True
    assert numbers(replace(program, closed=closed)) == [(False, [0, 1, 2, 4]), (False, [3])]
    dearer = program.unserved_g.copy()
    dearer[2] = 10.0
    assert numbers(replace(program, unserved_g=dearer)) == [(False, [0, 1, 3, 4]), (False, [2])]
    two_prices = program.unserved_g.copy()
    two_prices[4, 1] = 2.0
    assert numbers(replace(program, unserved_g=two_prices)) == [(False, [0, 1, 2, 3]), (False, [4])]


def test_a_class_that_may_never_run_is_a_constant_and_one_with_a_pause_is_refused() -> None:
    program = program_of([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5)
    closed = np.zeros((3, 3), dtype=bool)
    closed[0, 0] = closed[2, 2] = True  # classes 0 and 4
    program = replace(program, closed=closed)
    assert numbers(program) == [(False, [1, 2, 3])]
    assert Waiting.of(program, flows_of(program)).never_g == 9.0 * 3.0 + 3.0 * 15.0
    closed = closed.copy()
    closed[1, 1] = True  # class 2 in its second slot
    with pytest.raises(ValueError, match=r"class 2 may run in slots \[0, 2\]; allowed are slots in a row"):
        windows(replace(program, closed=closed))


def test_what_flows_do_is_done_in_the_order_of_deadlines() -> None:
    """Classes 0, 1, 2 in the first slot: the first is done, of the second half; a third of all is sent."""
    program = program_of([2.0, 2.0, 2.0, 0.0, 0.0], [2.0, 2.0, 2.0, 0.0, 0.0])
    own, sent = np.zeros((1, 3, 2)), np.zeros((1, 3, 2))
    own[0, :, 0], sent[0, :, 0] = [2.0, 2.0, 0.5], [1.0, 0.0, 0.0]
    home, away, undone = in_classes(program, flows_of(program), own, sent)
    assert home[:, :, 0] == pytest.approx(np.array([[4 / 3, 1.0, 0.5], [2 / 3, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    assert away[:, :, 0] == pytest.approx(np.array([[2 / 3, 0.0, 0.0], [1 / 3, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    assert undone[:, 0] == pytest.approx(np.array([0.0, 0.0, 0.5, 0.0, 0.0]))
    assert undone[:, 1].tolist() == [4.0, 4.0, 4.0, 0.0, 0.0]
    total = hub.by_class(home + away) + undone
    assert total == pytest.approx(program.class_batches)


def test_a_class_costs_the_least_of_its_window_or_of_leaving_it_undone() -> None:
    program = program_of([1.0] * 5, [0.5] * 5)
    home, away = (
        np.array([[5.0, 5.0], [2.0, 20.0], [4.0, 20.0]]),
        np.array([[1.0, 9.0], [8.0, 6.0], [3.0, 20.0]]),
    )
    stay, leave = least_g(program, windows(program), home, away)
    assert stay.tolist() == [[5.0, 5.0], [2.0, 5.0], [2.0, 5.0], [2.0, 3.0], [3.0, 3.0]]
    assert leave.tolist() == [[1.0, 5.0], [1.0, 5.0], [1.0, 5.0], [2.0, 3.0], [3.0, 3.0]]
