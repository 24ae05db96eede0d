"""Work not yet done, by slots left to its deadline: what a slot's decision takes from it, and what is due"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.backlog import Backlog

seeds = st.integers(min_value=0, max_value=2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_backlog_takes_what_can_be_taken(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batches = rng.integers(0, 6, (3, 4))
    room = np.minimum(rng.integers(0, 4, (3, 4)), batches)
    away = np.array([rng.integers(0, total + 1) for total in room.sum(axis=1)])
    home = np.array([rng.integers(0, total + 1) for total in batches.sum(axis=1) - away])
    backlog = Backlog(batches, room)
    stay, leave = backlog.take(home, away)
    assert (stay + leave <= batches).all()
    assert (leave <= room).all()
    assert (stay.sum(axis=1) == home).all()
    assert (leave.sum(axis=1) == away).all()
    following, missed = backlog.advance(home, away)
    assert (following.batches.sum(axis=1) + missed + home + away == batches.sum(axis=1)).all()
    assert (following.room <= following.batches).all()
    assert (missed == np.maximum(batches[:, 0] - (stay + leave)[:, 0], 0)).all()


def test_offload_cap_holds_over_slots() -> None:
    backlog = Backlog.empty(1, 2).release(np.array([10]), 0.5)
    backlog, _ = backlog.advance(home=np.array([0]), away=np.array([5]))
    assert backlog.batches.tolist() == [[0, 5, 0]]
    assert backlog.room.tolist() == [[0, 0, 0]]


UNEVEN = Backlog(np.array([[3, 2, 4], [1, 0, 5]]), np.array([[1, 2, 0], [1, 0, 2]]))


def test_a_slot_of_a_backlog_by_hand() -> None:
    """What leaves is taken from the most urgent classes with room, what stays from the most urgent of the rest."""
    home, away = np.array([1, 3]), np.array([2, 2])
    stay, leave = UNEVEN.take(home, away)
    assert leave.tolist() == [[1, 1, 0], [1, 0, 1]]
    assert stay.tolist() == [[1, 0, 0], [0, 0, 3]]
    later, missed = UNEVEN.advance(home, away)
    assert missed.tolist() == [1, 0]
    assert later.batches.tolist() == [[1, 4, 0], [0, 1, 0]]
    assert later.room.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert UNEVEN.batches.tolist() == [[3, 2, 4], [1, 0, 5]]


def test_room_is_never_more_than_what_is_left() -> None:
    backlog = Backlog(np.array([[0, 4]]), np.array([[0, 3]]))
    later, _ = backlog.advance(home=np.array([3]), away=np.array([0]))
    assert (later.batches.tolist(), later.room.tolist()) == ([[1, 0]], [[1, 0]])


@pytest.mark.parametrize(("slots_left", "column"), [(None, 2), (0, 0), (1, 1), (7, 2)])
def test_released_work_joins_its_class_with_its_room(slots_left: int | None, column: int) -> None:
    """0.29 of 100 is 28.999... in floating point, and 29 may leave."""
    released = UNEVEN.release(np.array([100, 3]), 0.29, slots_left)
    batches, room = UNEVEN.batches.copy(), UNEVEN.room.copy()
    batches[:, column] += [100, 3]
    room[:, column] += [29, 0]
    assert released.batches.tolist() == batches.tolist()
    assert released.room.tolist() == room.tolist()


@pytest.mark.parametrize(("home", "away"), [([0, 7], [0, 0]), ([0, 0], [0, 4]), ([0, 4], [0, 3])])
def test_more_than_there_is_is_refused_by_node(home: list[int], away: list[int]) -> None:
    says = (
        rf"node 1: {home[1]} batches at home and {away[1]} elsewhere asked for, with \[1, 0, 5\] in the backlog, "
        r"of which \[1, 0, 2\] may leave"
    )
    with pytest.raises(ValueError, match=says):
        UNEVEN.take(np.array(home), np.array(away))
