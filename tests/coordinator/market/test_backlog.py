"""Work not yet done, by slots left to its deadline: what a slot's decision takes from it, and what is due"""

from __future__ import annotations

import numpy as np
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
