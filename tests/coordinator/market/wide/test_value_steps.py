"""(D9) as slots after the last: the objective is that of the program with the worth in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.stored_value import StoredValue, linear
from coordinator.market.instances import random_fleet
from coordinator.market.wide import decomposition, hub
from coordinator.market.wide.value_steps import with_value


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_one_step_is_the_linear_worth(seed: int, deadline_slots: int) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline_slots)
    program = hub.from_fleet(fleet)
    longer, worth_g = with_value(program, linear(program.battery_capacity_j, program.stored_value_g_per_j))
    plain, valued = (decomposition.solve(each, 1e-6) for each in (program, longer))
    scale = abs(plain.objective_g) + worth_g + 1e-9
    assert valued.objective_g - worth_g == pytest.approx(plain.objective_g, abs=1e-5 * scale)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_a_worth_of_equal_steps_is_the_linear_worth(seed: int, steps: int) -> None:
    fleet = random_fleet(seed)
    program = hub.from_fleet(fleet)
    worth = linear(program.battery_capacity_j, program.stored_value_g_per_j)
    one, many = (with_value(program, each) for each in (worth, worth.in_steps(steps)))
    single, split = (decomposition.solve(each, 1e-6) for each, _ in (one, many))
    assert one[1] == pytest.approx(many[1])
    assert split.objective_g == pytest.approx(single.objective_g, abs=1e-5 * (abs(single.objective_g) + 1e-9))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_missing_is_worth_what_is_stored_less_than_full(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fleet = random_fleet(seed)
    capacity = np.maximum(fleet.battery_capacity_j, fleet.battery_j)
    grams = -np.sort(-rng.uniform(0, 2e-4, (fleet.size, 4)), axis=1)
    value = StoredValue(grams, capacity[:, None] * rng.dirichlet(np.ones(4), fleet.size))
    program, full_g = with_value(hub.from_fleet(fleet), value)
    stored = rng.uniform(0, 1, fleet.size) * capacity
    missing_g = float(np.vdot(program.step_g_per_j, hub.missing_j(program, stored)))
    assert full_g - missing_g == pytest.approx(float(value.of(stored).sum()), rel=1e-9, abs=1e-12)
