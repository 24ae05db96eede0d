"""Energy-proportional: every node takes local steps in proportion to the green energy it has (methods.md"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.decision import Feasible
from coordinator.policies.energy_proportional import green_energy_j, proportional_batches
from coordinator.policies.registry import make_policy
from tests.coordinator.policies.fleets import fleet_of


def test_green_energy_by_hand() -> None:
    """Slot of 10 s. Node 0: harvest 100 J; 200 J stored lose 10 % and come out at 80 %: 144 J, but 12 W let 120 J out;
    5 W of static load take 50 J: 170 J. Node 1: 30 W let all 144 J out: 194 J. Node 2: static load takes all."""
    fleet = replace(
        fleet_of([1.0] * 3, harvest_j=np.array([[100.0], [100.0], [40.0]])),
        slot_s=10.0,
        battery_j=np.array([200.0, 200.0, 0.0]),
        battery_capacity_j=np.full(3, 250.0),
        self_discharge_fraction=np.full(3, 0.1),
        discharge_efficiency=np.full(3, 0.8),
        discharge_limit_w=np.array([12.0, 30.0, 12.0]),
        static_w=np.full(3, 5.0),
    )
    assert green_energy_j(fleet) == pytest.approx([170.0, 194.0, 0.0])


def test_energy_proportional_keeps_time_and_runs_what_costs_nothing() -> None:
    fleet = fleet_of([1.0] * 2, harvest_j=np.full((2, 1), 1e5), joules_per_batch=np.array([[0.0], [36.0]]))
    slow = replace(fleet, seconds_per_batch=np.array([[fleet.slot_s / 9.0], [fleet.slot_s / 3.0]]))
    policy = make_policy("energy-proportional", least_batches=2)
    assert np.diag(policy.decide(slow, {})[0].batches).tolist() == [9, 3]
    dark = replace(slow, harvest_j=np.zeros((2, 1)))
    assert np.diag(policy.decide(dark, {})[0].batches).tolist() == [9, 2]
    with pytest.raises(ValueError, match="0 or more"):
        make_policy("energy-proportional", least_batches=-1)


def test_energy_proportional_by_hand() -> None:
    # 36 J a batch: 100 J pay for two whole batches, 1000 J for 27
    assert proportional_batches(np.array([100.0, 1000.0, 0.0]), np.full(3, 36.0)).tolist() == [2, 27, 0]
    fleet = fleet_of([1.0] * 3, harvest_j=np.array([[100.0], [1000.0], [0.0]]))
    policy = make_policy("energy-proportional")
    decision, _ = policy.decide(fleet, policy.init(0))
    assert np.diag(decision.batches).tolist() == [2, 10, 1]
    assert decision.unserved_batches.tolist() == [8, 0, 9]
    serving, _ = policy.decide(replace(fleet, stage="application"), policy.init(0))
    assert np.diag(serving.batches).tolist() == [10, 10, 10]


def test_energy_proportional_says_why_it_leaves_work_and_pays_for_a_batch_of_rounding() -> None:
    fleet = fleet_of([1.0] * 2, harvest_j=np.array([[36.0], [0.0]]))
    decision, state = make_policy("energy-proportional").decide(fleet, {"kept": 1})
    assert decision.outcome == Feasible(None, "work follows green energy")
    assert state == {"kept": 1}
    assert make_policy("energy-proportional").init(3) == {}
    assert proportional_batches(np.array([0.3, 0.29, 7.0]), np.array([0.1, 0.1, 0.0])).tolist() == [
        3,
        2,
        2**31 - 1,
    ]
    # a third of a slot's harvest short by a rounding error still pays
    assert proportional_batches(np.array([0.1 * 3 - 1e-16]), np.array([0.1])).tolist() == [3]
