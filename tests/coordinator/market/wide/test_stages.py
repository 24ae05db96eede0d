"""What a slot costs in each state: never more than its own program says, and exactly that where one price decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub
from coordinator.market.wide.block import Block, open_hubs
from coordinator.market.wide.decomposition import NodePrices
from coordinator.market.wide.sleep_paths import Sleepers
from coordinator.market.wide.stages import SleepData, Stage


def one_node(**changes: float) -> tuple[hub.HubProgram, SleepData]:
    """A node of 100 J awake, 10 asleep, 5 to wake up; four batches of 7 J, time for ten, for five on waking."""
    fleet = random_fleet(1, 1, 1, may_sleep=True)
    program = hub.from_fleet(fleet)
    given = {
        "grams_per_j": 2.0,
        "harvest_j": 0.0,
        "static_j": 100.0,
        "joules_per_batch": 7.0,
        "guest_j": 1.0,
        "network_g": 0.0,
        "owner_j": 0.0,
        "export_cap_j": 0.0,
        "guest_cap_batches": 3.0,
        "class_batches": 4.0,
        "offload_cap_batches": 0.0,
    } | changes
    arrays = {name: np.full((1, 1), value) for name, value in given.items()}
    arrays |= {name: np.zeros(1) for name in ("battery_j", "battery_capacity_j", "charge_cap_j")}
    program = replace(
        program,
        discharge_cap_j=np.zeros((1, 1)),
        offloadable=np.ones(1, dtype=bool),
        closed=np.zeros((1, 1), dtype=bool),
        import_efficiency=np.ones(1),
        export_efficiency=np.ones(1),
        **arrays,
    )
    data = SleepData(np.full((1, 1), 10.0), np.full(1, 5.0), np.full((1, 1), 10.0), np.full((1, 1), 5.0))
    return program, data


def stages(
    program: hub.HubProgram, data: SleepData, *, done: float = 20.0, work: float = 0.0, energy: float = 0.0
) -> tuple[float, float, float]:
    block = Block(program, open_hubs(program))
    prices = NodePrices(np.zeros((1, 1)), np.full((1, 1), done), np.zeros((1, 1)))
    found = Stage(block, np.array([energy]), np.array([work]), prices).of(data)
    return float(found.awake[0, 0]), float(found.asleep[0, 0]), float(found.waking[0, 0])


def test_a_dark_slot_pays_the_grid_for_static_load_and_batches_that_are_worth_it() -> None:
    program, data = one_node()
    assert stages(program, data) == pytest.approx((200.0 - 4 * (20.0 - 14.0), 20.0, 210.0 - 4 * 6.0))
    assert stages(program, data, done=13.0) == pytest.approx((200.0, 20.0, 210.0))


def test_batches_fill_the_time_the_dearest_to_leave_first() -> None:
    program, data = one_node(class_batches=9.0)
    assert stages(program, data) == pytest.approx((200.0 - 9 * 6.0, 20.0, 210.0 - 5 * 6.0))


def test_harvest_serves_each_state_at_its_own_price() -> None:
    """60 J of sun: more than asleep needs, whose last joule is free; less than awake, whose last one is the grid's."""
    program, data = one_node(harvest_j=60.0)
    assert stages(program, data) == pytest.approx((80.0 - 24.0, 0.0, 90.0 - 24.0))


def test_guests_are_taken_where_the_hub_pays_more_than_they_cost() -> None:
    program, data = one_node(offload_cap_batches=1.0)
    # a batch of another: 8 J at 2 g, 17 g for it; one of its own may leave for 17 g and is worth 20, awake or asleep
    awake, asleep, _ = stages(program, data, work=-17.0)
    assert awake == pytest.approx(200.0 - 24.0 - 3 * 1.0 - 3.0)
    assert asleep == pytest.approx(20.0 - 3.0)


def test_energy_is_sold_and_bought_at_the_hub() -> None:
    program, data = one_node(harvest_j=60.0, export_cap_j=30.0)
    # asleep: 10 J used, 30 sold at 1.5 g, the rest curtailed; awake: 60 J used, and 40 bought at 1.5 in place of 2
    awake, asleep, _ = stages(program, data, energy=1.5, done=0.0)
    assert asleep == pytest.approx(-45.0)
    assert awake == pytest.approx(1.5 * 40.0)


def test_the_data_of_some_nodes() -> None:
    fleet = random_fleet(5, 4, 3, may_sleep=True)
    data = Sleepers.of(fleet, hub.from_fleet(fleet, whole_batches=True)).data
    some = data.take(slice(1, 3))
    assert some.asleep_j == pytest.approx(data.asleep_j[:, 1:3])
    assert some.wake_j == pytest.approx(fleet.wake_j[1:3])
    assert some.capacity.shape == some.capacity_waking.shape == (3, 2)
    assert (some.capacity_waking <= some.capacity).all()
