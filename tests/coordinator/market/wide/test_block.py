"""A block of nodes of the hub LP in standard form: min c'x, A x + hub = b, 0 <= x <= upper, as stacked arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub, hub_lp
from coordinator.market.wide.block import Block, open_hubs, scaled
from coordinator.market.wide.kkt import Eliminated
from tests.coordinator.market.wide.optima import optimum


def test_the_bound_holds_at_any_prices() -> None:
    """Weak duality: any prices drawn at random give a bound below the optimum."""
    rng = np.random.default_rng(5)
    program = hub.from_fleet(random_fleet(4, 5, 4, deadline_slots=1))
    units = hub_lp.units_of(program)
    small = scaled(program, units)
    block = Block(small, open_hubs(small))
    best = optimum(program)
    for _ in range(50):
        y = rng.normal(0, 2, (block.rows, 5))
        hubs = rng.uniform(0, 3, 2 * program.slots)
        assert block.lower_bound(y, hubs) * units.grams <= best + 1e-9 * abs(best)


@pytest.mark.parametrize("deadline", [0, 1])
def test_the_bound_holds_where_one_price_alone_is_wrong(deadline: int) -> None:
    """A price of any sign and size for one equation, nothing for all others: nothing that no limit bounds may be worth
    having more of. No node holds guests, so that no bounded variable outweighs the price."""
    fleet = random_fleet(4, 5, 4, deadline_slots=deadline)
    program = hub.from_fleet(replace(fleet, storage_bytes=np.zeros(5), bytes_per_batch=np.full(4, 1.0)))
    units = hub_lp.units_of(program)
    small = scaled(program, units)
    block = Block(small, open_hubs(small))
    best = optimum(program)
    for name, place in block.row_at.items():
        for price in (-1e3, -1.0, 1.0, 1e3):
            y = np.zeros((block.rows, 5))
            y[place] = price
            for energy in (0.0, 2.0):
                hubs = np.repeat([energy, 0.0], program.slots)
                bound = block.lower_bound(y, hubs) * units.grams
                assert bound <= best + 1e-9 * abs(best), f"{name} at {price}"


@pytest.mark.parametrize("deadline", [0, 1])
def test_elimination_solves_the_whole_system(deadline: int) -> None:
    """The node-by-node elimination against the assembled matrix A theta A' of the block."""
    rng = np.random.default_rng(deadline)
    fleet = random_fleet(4, 3, 4, deadline_slots=deadline)
    battery = np.full(3, 50.0)
    fleet = replace(fleet, battery_capacity_j=battery, battery_j=0.5 * battery)
    program = hub.from_fleet(fleet)
    small = scaled(program, hub_lp.units_of(program))
    block = Block(small, open_hubs(small))
    theta = rng.uniform(0.5, 2.0, (block.columns, 3)) * block.free
    factors = Eliminated(block, theta)
    right = rng.normal(size=(block.rows, 3)) * (rows_in_use(block, theta) > 0)
    partial, to_hub = factors.forward(right)
    hub_right = rng.normal(size=2 * block.slots) * (np.diag(factors.schur) > 0)
    schur = factors.schur + np.diag(np.diag(factors.schur) == 0)
    prices = np.linalg.solve(schur, hub_right + to_hub)
    y, _ = factors.backward(partial, prices)
    rows, hubs = block.times(theta * block.transposed(y, prices))
    np.testing.assert_allclose(rows, right, atol=1e-9)
    np.testing.assert_allclose(hubs.sum(axis=1), hub_right, atol=1e-9)


def rows_in_use(block: Block, theta: np.ndarray) -> np.ndarray:
    """(R, n) diagonal of A theta A', by unit vectors."""
    out = np.zeros((block.rows, theta.shape[1]))
    for row in range(block.rows):
        unit = np.zeros_like(out)
        unit[row] = 1.0
        out[row] = block.times(theta * block.transposed(unit, np.zeros(2 * block.slots)))[0][row]
    return out


def test_hubs_are_open_slot_by_slot_by_hand() -> None:
    """In each of three slots no node may give, take or offload; the energy hub needs an export efficiency above 0."""
    program = hub.from_fleet(random_fleet(4, 2, 4))
    opened = replace(
        program,
        offloadable=np.array([True, True, True, False]),
        offload_cap_batches=np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [3.0, 3.0]]),
        guest_cap_batches=np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]),
        closed=np.zeros((1, 4), dtype=bool),
        export_cap_j=np.array([[0.0, 5.0], [5.0, 0.0], [0.0, 0.0], [5.0, 5.0]]),
        export_efficiency=np.array([0.0, 0.9]),
    )
    assert open_hubs(opened).work.tolist() == [True, False, False, False]
    assert open_hubs(opened).energy.tolist() == [True, False, False, True]
    ended = replace(opened, closed=np.array([[True, False, False, False]]))
    assert open_hubs(ended).work.tolist() == [False, False, False, False]


def test_work_that_waits_opens_the_hub_until_its_deadline() -> None:
    """A slot's hub is open to classes t..t + 1: to what is due in it, and to what may wait one more."""
    program = hub.from_fleet(random_fleet(4, 2, 3, deadline_slots=1))
    opened = replace(
        program,
        offloadable=np.ones(3, dtype=bool),
        offload_cap_batches=np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        guest_cap_batches=np.ones((3, 2)),
        closed=np.zeros((2, 3), dtype=bool),
    )
    assert open_hubs(opened).work.tolist() == [False, True, True]
    late = np.array([[False, False, True], [False, False, False]])
    assert open_hubs(replace(opened, closed=late)).work.tolist() == [False, True, False]
