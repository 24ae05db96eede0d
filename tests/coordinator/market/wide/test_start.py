"""Every node on its central path at given hub prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub, hub_lp, start
from coordinator.market.wide.block import Block, open_hubs, scaled
from coordinator.market.wide.start import settle
from coordinator.market.wide.state import State


def begun(deadline: int) -> State:
    """Five nodes with batteries whose last charge has steps of worth, at prices near the mean intensity's."""
    fleet = random_fleet(6, 5, 4, deadline_slots=deadline)
    battery = np.full(5, 2.0) * fleet.slot_s * fleet.static_w
    fleet = replace(fleet, battery_capacity_j=battery, battery_j=0.4 * battery)
    worth, width = np.full((2, 5), 2e-5), np.vstack([0.25 * battery, 0.75 * battery])
    worth[0] *= 2.0
    program = replace(
        hub.from_fleet(fleet), step_g_per_j=worth, step_j=width, stored_value_g_per_j=np.zeros(5)
    )
    small = scaled(program, hub_lp.units_of(program))
    hubs = open_hubs(small)
    return State(Block(small, hubs), np.concatenate([0.6 * hubs.energy, 0.2 * hubs.work]))


def products(state: State) -> np.ndarray:
    """(n,) mean product of a node's variables and their prices."""
    free, nb = state.block.free, state.block.bounded
    lower, upper = free * state.x * state.z, free[:nb] * state.s * state.w
    return np.asarray((lower.sum(axis=0) + upper.sum(axis=0)) / (free.sum(axis=0) + free[:nb].sum(axis=0)))


def missing(state: State) -> float:
    """Largest violation of a node's own equation."""
    return float(np.abs(state.block.right - state.block.times(state.x)[0]).max())


@pytest.mark.parametrize("barrier", [0.1, 0.02])
@pytest.mark.parametrize("deadline", [0, 1])
def test_nodes_come_to_the_barrier_at_the_prices_given(deadline: int, barrier: float) -> None:
    """Equations kept, products of every node near the barrier, and prices that leave no variable a gradient."""
    state = begun(deadline)
    prices = state.hub_prices.copy()
    settle(state, barrier)
    block, nb = state.block, state.block.bounded
    free = block.free > 0
    assert missing(state) < 1e-3
    assert (products(state) < 1.5 * barrier).all()
    assert (products(state) > 0.5 * barrier).all()
    for values in (state.x[free], state.z[free], state.s[free[:nb]], state.w[free[:nb]]):
        assert (values > 0).all()
    assert not state.x[block.fixed].any()
    np.testing.assert_allclose(state.s, block.upper - state.x[:nb], atol=1e-12)
    gradient = block.cost - block.transposed(state.y, prices) - state.z
    gradient[:nb] += state.w
    assert np.abs(gradient * block.free).max() < 0.05
    assert state.hub_prices.tolist() == prices.tolist()


@pytest.mark.parametrize("deadline", [0, 1])
def test_nodes_near_enough_stay_where_they_are(deadline: int) -> None:
    """Within half more than the barrier, and a thousandth in every equation."""
    state = begun(deadline)
    settle(state, 0.05)
    most = float(products(state).max())
    for barrier, bend, stays in (
        (most / 1.49, 0.0, True),
        (most / 1.51, 0.0, False),
        (9.0, 0.0, True),
        (9.0, 0.9e-3, True),
        (9.0, 1.1e-3, False),
        (9.0, -1.1e-3, False),
    ):
        point = begun(deadline)
        names = ("x", "s", "z", "w", "y")
        for name in names:
            setattr(point, name, getattr(state, name).copy())
        exact = point.block.times(point.x)[0]
        point.block.right = exact.copy()
        point.block.right[-1, 0] += bend
        settle(point, barrier)
        same = all(getattr(point, name).tolist() == getattr(state, name).tolist() for name in names)
        assert same is stays, (barrier, bend)


def test_a_barrier_is_approached_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node's products fall to a seventh in a step at most, and fourteen steps are taken at most."""
    state = begun(0)
    settle(state, 0.1)
    before = products(state)
    monkeypatch.setattr(start, "_STEPS", 1)
    settle(state, 1e-9)
    assert (products(state) > 0.14 * before).all()
    assert (products(state) < 0.5 * before).all()
    monkeypatch.undo()
    steps: list[int] = []
    eliminated = start.Eliminated
    monkeypatch.setattr(start, "Eliminated", lambda *given: steps.append(1) or eliminated(*given))
    settle(begun(0), 1e-15)
    assert len(steps) == 14
