"""Any policy with operating points: its decision keeps every limit, and its grams are never more than at full speed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet
from coordinator.market.operating_points import at_points
from coordinator.market.physics import execute
from coordinator.policies.guard import choose
from coordinator.policies.operating_points import SLOWED, AtPoints
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import Check, violations
from tests.coordinator.market.clocked import clocked


def grams(fleet: Fleet, decision: object) -> float:
    chosen = decision.points if decision.points is not None else np.zeros(fleet.size, dtype=np.int64)  # type: ignore[attr-defined]
    flows = execute(at_points(fleet, chosen), decision)  # type: ignore[arg-type]
    value = fleet.stored_value_g_per_j * flows.battery_j
    return float(flows.operational_g.sum() + flows.network_g - value.sum())


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.sampled_from(["local", "lowcarb", "dat", "deta", "local-lp"]),
)
def test_limits_are_kept_and_grams_are_no_more_than_at_full_speed(seed: int, nodes: int, name: str) -> None:
    fleet = clocked(seed, nodes, 1)
    policy = make_policy(name)
    decision, _ = AtPoints(policy).decide(fleet, policy.init(0))
    assert decision.points is not None
    assert violations(fleet, decision) == []
    plain, _ = policy.decide(replace(fleet, points=None), policy.init(0))
    if plain.unserved_batches.sum() == decision.unserved_batches.sum():
        full = grams(fleet, plain)
        assert grams(fleet, decision) <= full + 2e-3 * abs(full) + 1e-6


def test_the_choice_says_who_is_slowed_and_is_the_policys_own_elsewhere() -> None:
    fleet = clocked(11, 3, 3)
    choice, _ = choose(make_policy("deta+dvfs"), None, fleet, lambda: 0.0)
    assert choice.decision.points is not None
    assert choice.decision.notes[SLOWED] == (choice.decision.points > 0).sum()
    assert not choice.status.startswith("fallback")
    plain, _ = choose(make_policy("deta"), None, replace(fleet, points=None), lambda: 0.0)
    assert plain.decision.points is None
    assert SLOWED not in plain.decision.notes


def test_points_that_a_node_does_not_have_or_that_leave_no_time_are_violations() -> None:
    fleet = clocked(11, 3, 1)
    decision, _ = AtPoints(make_policy("local")).decide(fleet, None)
    wrong = violations(fleet, replace(decision, points=np.array([0, 9, 0])))
    assert [each.check for each in wrong] == [Check.POINTS]
    slow = fleet.points
    assert slow is not None
    speed = slow.speed_fraction.copy()
    speed[:, 1] = 1e-3
    crawling = replace(fleet, points=replace(slow, speed_fraction=speed))
    wrong = violations(crawling, replace(decision, points=np.array([1, 1, 1])))
    assert Check.CAPACITY in {each.check for each in wrong}


def test_more_nodes_than_one_program_takes_are_planned_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordinator.policies.operating_points.MOST_NODES", 2)
    fleet = clocked(3, 4, 1)
    decision, _ = AtPoints(make_policy("deta")).decide(fleet, None)
    assert violations(fleet, decision) == []
