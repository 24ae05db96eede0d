"""DETA, distributed energy trading and task allocation (the DETA paper): energy and batches both move."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.policies.deta import Deta
from coordinator.simulator.simulate import Information, simulate
from tests.coordinator.policies.fleets import sunny


def test_hub_prices_are_kept_and_found_again_without_deciding() -> None:
    """``follow`` alone, slot after slot, gives the same state as deciding; a plan lasts a quarter of a day."""

    class Watched(Deta):
        def decide(self, fleet: Fleet, state: object) -> tuple[FleetDecision, object]:  # type: ignore[override]
            decision, after = super().decide(fleet, state)  # type: ignore[arg-type]
            seen.append((fleet, copy.deepcopy(after)))
            return decision, after

    seen: list[tuple[Fleet, object]] = []
    simulate(sunny(3, 30), Watched(), Information(horizon=2))
    state = Deta().init(0)
    plans = []
    for fleet, after in seen:
        state = Deta().follow(fleet, state)
        assert state is not None
        assert state.slot == after.slot  # type: ignore[attr-defined]
        np.testing.assert_array_equal(state.price_g_per_j, after.price_g_per_j)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(state.load_j, after.load_j)  # type: ignore[attr-defined]
        plans.append(state.slot)
    assert sorted(set(plans)) == [0, 6, 12, 18, 24]


@pytest.mark.parametrize(("policy", "last_slot"), [(Deta(), 5), (Deta(plans_per_day=2), 11)])
def test_how_often_a_day_is_planned_can_be_given(policy: Deta, last_slot: int) -> None:
    fleet = replace(reference_day(24, 3), decision_slots=1)
    state = policy.follow(fleet, None)
    assert policy.follow(replace(fleet, slot=last_slot), state) is state
    assert policy.follow(replace(fleet, slot=last_slot + 1), state) is not state


def test_less_than_one_plan_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="plans_per_day is 0; allowed is 1 or more"):
        Deta(plans_per_day=0)
    assert (Deta(plans_per_day=1).plans_per_day, Deta(horizon=1).horizon) == (1, 1), (
        "the least that is allowed"
    )


def test_another_fleet_is_planned_again() -> None:
    fleet = replace(reference_day(24, 3), decision_slots=1)
    state = Deta().follow(fleet, None)
    assert state is not None
    lost = replace(fleet, node_ids=("edge-00", "edge-01", "edge-07"), slot=1)
    again = Deta().follow(lost, state)
    assert again is not None
    assert again.node_ids == lost.node_ids
    assert Deta().follow(replace(fleet, slot=1), state) is state
