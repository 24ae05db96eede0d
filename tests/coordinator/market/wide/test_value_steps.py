"""(D9) as slots after the last: the objective is that of the program with the worth in it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.stored_value import linear
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


def test_no_work_waits_for_the_slots_of_the_worth() -> None:
    fleet = random_fleet(1, 4, 3, deadline_slots=2)
    longer, _ = with_value(hub.from_fleet(fleet), linear(fleet.battery_capacity_j, np.zeros(fleet.size)))
    plan = decomposition.solve(longer, 1e-5).plan
    done = plan.own_batches + plan.offload_batches
    assert done[:, :3].sum() > 0
    assert done[:, 3:].sum() == 0.0
