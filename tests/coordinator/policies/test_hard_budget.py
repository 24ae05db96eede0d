"""Hard carbon budget: LowestCI until a budget of grams is spent (methods.md section 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.policies.hard_budget import work_g
from coordinator.policies.registry import make_policy
from tests.coordinator.policies.fleets import chosen, fleet_of


def test_hard_budget_spends_to_the_last_gram_and_no_further() -> None:
    # work of 0.036 g and 0.072 g: both fit 0.108 g exactly; more expensive work first in line ends the list
    fleet = fleet_of([720.0, 360.0])
    assert chosen(fleet, "hard-budget", clients=2, budget_g=0.036 + 0.072) == [0, 1]
    assert chosen(fleet, "hard-budget", clients=1, budget_g=1.0) == [1]
    # the second lowest is too expensive, and the third, cheap by its sun, waits with it
    sunny = fleet_of([100.0, 200.0, 300.0], harvest_j=np.array([[0.0], [0.0], [360.0]]))
    assert chosen(sunny, "hard-budget", clients=3, budget_g=0.015) == [0]
    policy = make_policy("hard-budget", clients=2, budget_g=0.05)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.notes["budget_spent_g"] == state["spent_g"] == pytest.approx(0.036)
    with pytest.raises(ValueError, match="finite value"):
        make_policy("hard-budget", budget_g=-0.1)


def test_hard_budget_counts_the_work_there_is_time_for() -> None:
    fleet = fleet_of([360.0])
    assert work_g(replace(fleet, seconds_per_batch=np.full((1, 1), fleet.slot_s / 4))) == pytest.approx(
        [0.0144]
    )


def test_hard_budget_stops_when_spent() -> None:
    # 360 J at 360 and 720 g/kWh: 0.036 g and 0.072 g
    fleet = fleet_of([720.0, 360.0])
    assert work_g(fleet) == pytest.approx([0.072, 0.036])
    policy = make_policy("hard-budget", clients=2, budget_g=0.1)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.selected is not None
    assert decision.selected.tolist() == [False, True]  # both would emit 0.108 g
    decision, state = policy.decide(fleet, state)
    assert decision.selected is not None
    assert decision.selected.tolist() == [False, True]
    decision, state = policy.decide(fleet, state)
    assert decision.selected is not None
    assert not decision.selected.any()
    assert state["spent_g"] == pytest.approx(0.072)


def test_hard_budget_counts_green_energy_as_free() -> None:
    assert work_g(fleet_of([360.0], harvest_j=np.array([[300.0]]))) == pytest.approx([60 * 1e-4])
