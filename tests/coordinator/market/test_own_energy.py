"""Energy of nodes that trade nothing: the rule of a slot, over all slots at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market import own_energy as module
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.own_energy import Batteries, OwnEnergy, own_energy
from coordinator.market.physics import execute
from coordinator.policies.local import local_decision


def of(fleet: Fleet, load_j: np.ndarray, harvest_j: np.ndarray) -> OwnEnergy:
    has = fleet.battery_capacity_j > 0
    batteries = Batteries(
        capacity_j=np.maximum(fleet.battery_capacity_j, fleet.battery_j),
        charge_efficiency=np.where(has, fleet.charge_efficiency, 1.0),
        discharge_efficiency=np.where(has, fleet.discharge_efficiency, 1.0),
        keep_fraction=1.0 - fleet.self_discharge_fraction,
        charge_cap_j=fleet.slot_s * fleet.charge_limit_w * has,
        discharge_cap_j=fleet.slot_s * fleet.discharge_limit_w * has,
    )
    return own_energy(load_j, harvest_j, batteries, fleet.battery_j)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_equals_local_executed_slot_by_slot(seed: int, at_once: int) -> None:
    """Whatever part of the slots is worked on at once."""
    fleet = random_fleet(seed, horizon=5)
    n = fleet.size
    fleet = replace(fleet, backlog_batches=np.zeros_like(fleet.backlog_batches), model_j=None)
    fleet = replace(fleet, battery_j=np.minimum(fleet.battery_j, fleet.battery_capacity_j))
    load = np.random.default_rng(seed).uniform(0, 3, (5, n)) * fleet.slot_s * fleet.static_w
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_AT_ONCE", at_once)
        found = of(fleet, load, np.ascontiguousarray(fleet.harvest_j.T))
    battery = fleet.battery_j
    for slot in range(5):
        now = replace(
            fleet,
            battery_j=battery,
            static_w=load[slot] / fleet.slot_s,
            harvest_j=np.roll(fleet.harvest_j, -slot, axis=1),
        )
        flows = execute(now, local_decision(now))
        scale = float(load.max() + fleet.harvest_j.max() + fleet.battery_capacity_j.max()) or 1.0
        for name in ("grid_j", "green_j", "charge_j", "discharge_j", "curtailed_j"):
            np.testing.assert_allclose(
                getattr(found, name)[slot], getattr(flows, name), rtol=1e-12, atol=1e-13 * scale
            )
        np.testing.assert_allclose(found.stored_j[slot], flows.battery_j, rtol=1e-12, atol=1e-13 * scale)
        battery = flows.battery_j


def test_a_morning_by_hand() -> None:
    """100 J of 160 stored; 0.9 of it remains, 0.8 of what is charged and 0.5 of what is drawn arrives."""
    half = np.array([0.5])
    batteries = Batteries(
        np.array([160.0]), np.array([0.8]), half, np.array([0.9]), np.full(1, 90.0), np.full(1, 30.0)
    )
    found = own_energy(
        np.array([[50.0], [10.0], [0.0]]), np.array([[0.0], [110.0], [200.0]]), batteries, np.array([100.0])
    )
    # 30 of 50 J from the battery costs it 60 of its 90; then 100 J over, of which the limit takes 90
    assert found.discharge_j[:, 0].tolist() == [30.0, 0.0, 0.0]
    assert found.grid_j[:, 0].tolist() == [20.0, 0.0, 0.0]
    assert found.green_j[:, 0].tolist() == [30.0, 10.0, 0.0]
    np.testing.assert_allclose(found.stored_j[:, 0], [30.0, 27.0 + 72.0, 160.0])
    np.testing.assert_allclose(found.charge_j[:, 0], [0.0, 90.0, (160.0 - 89.1) / 0.8])
    np.testing.assert_allclose(found.curtailed_j[:, 0], [0.0, 10.0, 200.0 - (160.0 - 89.1) / 0.8])


def test_limits_of_a_slot_hold_in_it() -> None:
    one = np.ones(2)
    caps = np.array([[5.0, 0.0], [0.0, 7.0]])
    batteries = Batteries(50.0 * one, one, one, one, one, caps)
    found = own_energy(np.full((2, 2), 9.0), np.zeros((2, 2)), batteries, 50.0 * one)
    assert found.discharge_j.tolist() == caps.tolist()
