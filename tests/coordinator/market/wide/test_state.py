"""Where the decomposition starts: inside all bounds, so that its first step may go anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub, hub_lp
from coordinator.market.wide.block import Block, open_hubs, scaled
from coordinator.market.wide.state import State


@pytest.mark.parametrize("deadline", [0, 1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_the_start_is_inside_all_bounds(seed: int, deadline: int) -> None:
    """Free variables and all prices of bounds are positive, and three tenths of a bound are used at most; fixed
    variables are zero and stay so."""
    program = hub.from_fleet(random_fleet(seed, deadline_slots=deadline))
    small = scaled(program, hub_lp.units_of(program))
    block = Block(small, open_hubs(small))
    state = State(block, np.full(2 * program.slots, 0.5))
    free, bounded = ~block.fixed, block.bounded
    assert (state.x[free] > 0).all()
    assert (state.z[free] > 0).all()
    assert (state.x[:bounded] <= 0.3 * block.upper).all()
    assert (state.w[free[:bounded]] > 0).all()
    assert not state.x[block.fixed].any()
    assert (state.z[block.fixed] == 1.0).all()
    assert not state.w[block.fixed[:bounded]].any()
    np.testing.assert_array_equal(state.s, block.upper - state.x[:bounded])
