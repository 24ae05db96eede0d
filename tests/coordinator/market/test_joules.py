"""Joules beside grams in the one model: the energy that TREE divides by, as a price or as a limit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.joules import price_for, priced, used_j
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import solve, unserved

ALL = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(0, 2**32 - 1)


def plan_at(fleet: Fleet, price: float) -> tuple[float, float, float]:
    """(grams net of what is stored, joules, unserved batches) of the plan at a price."""
    program = priced(build(fleet, ALL, tie_break=False), price)
    values = solve(program).values
    assert values is not None
    return Plan(program, values).objective_g, used_j(program, values), unserved(program, values)


@settings(max_examples=25, deadline=None)
@given(seeds, st.lists(st.floats(0, 1e5), min_size=2, max_size=4))
def test_a_higher_price_of_joules_means_fewer_joules_and_more_grams(seed: int, prices: list[float]) -> None:
    """Any two points of a Pareto curve are ordered, and all work is done at every price."""
    found = [plan_at(random_fleet(seed), price) for price in sorted(prices)]
    scale_g = max(abs(grams) for grams, _, _ in found) + 1e-9
    for (grams, joules, late), (next_grams, next_joules, next_late) in pairwise(found):
        assert next_joules <= joules * (1 + 1e-6) + 1e-6
        assert next_grams >= grams - 1e-5 * scale_g
        assert next_late == pytest.approx(late, abs=1e-5)


def test_joules_of_a_plan_are_those_of_its_energy_balance() -> None:
    fleet = reference_day(4, nodes=4)
    program = build(fleet, ALL)
    values = solve(program).values
    assert values is not None
    plan = Plan(program, values)
    network_j = plan.moved_batches * fleet.bytes_per_batch * fleet.limits.net_j_per_byte
    total_j = float((plan.grid_j + plan.green_j).sum() + network_j.sum())
    assert used_j(program, values) == pytest.approx(total_j)


@settings(max_examples=10, deadline=None)
@given(seeds, st.sampled_from([0.9, 0.99, 1.0]))
def test_a_floor_on_tree_is_kept_at_the_lowest_price(seed: int, floor: float) -> None:
    fleet = random_fleet(seed)
    program = build(fleet, ALL)
    price = price_for(program, floor)
    least = plan_at(fleet, 1e7)[1]
    values = solve(priced(program, price)).values
    assert values is not None
    assert used_j(program, values) <= least / floor * (1 + 1e-6) + 1e-6
