"""Regret: how far a run lies above the optimum with perfect foresight (methods.md section 1)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.forecast import GaussianError
from coordinator.market.instances import random_fleet, reference_day
from coordinator.policies.registry import make_policy
from coordinator.simulator.regret import NoBoundError, oracle_bound
from coordinator.simulator.simulate import Information, World, simulate

seeds = st.integers(0, 2**32 - 1)


def test_a_large_fleet_has_a_bound_with_a_cap_over_the_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = random_fleet(11, 8, 4, deadline_slots=1)
    fleet = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    pairwise = oracle_bound(fleet)
    monkeypatch.setattr("coordinator.simulator.regret.PAIRWISE_AT_MOST", 4)
    assert oracle_bound(fleet).objective_g == pytest.approx(pairwise.objective_g, rel=1e-6)


def test_regret_shrinks_with_information() -> None:
    world = World(reference_day(12))
    bound = oracle_bound(world)
    runs = {h: simulate(world, make_policy("deta"), Information(horizon=h)) for h in (1, 4, None)}
    regrets = {h: run.objective_g - bound.objective_g for h, run in runs.items()}
    assert all(run.unserved_batches.sum() == 0 for run in runs.values())
    assert regrets[1] > regrets[None] >= -1e-9
    assert regrets[4] <= regrets[1] + 1e-9
    assert regrets[None] < 0.01 * bound.objective_g
    oracle = simulate(world, make_policy("oracle"), Information(horizon=1, intensity=GaussianError(0.5, 1)))
    assert oracle.objective_g - bound.objective_g == pytest.approx(regrets[None], abs=1e-3)


@settings(max_examples=10, deadline=None)
@given(seed=seeds, deadline=st.integers(0, 2), name=st.sampled_from(["local", "dat", "deta"]))
def test_no_policy_is_below_the_bound(seed: int, deadline: int, name: str) -> None:
    world = World(random_fleet(seed, nodes=3, horizon=4, deadline_slots=deadline))
    run = simulate(world, make_policy(name))
    if run.unserved_batches.sum() == 0:
        assert run.objective_g - oracle_bound(world).objective_g >= -1e-6 * max(run.emissions_g, 1e-9)


def test_the_whole_bound_of_a_large_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the hub's linear program where the cap is carried, whose optimum is bound and plan in one; else by the
    decomposition, whose plan lies above the bound by the gap it states."""
    fleet = random_fleet(11, 8, 4, deadline_slots=1)
    carried = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    exact = oracle_bound(fleet)
    monkeypatch.setattr("coordinator.simulator.regret.PAIRWISE_AT_MOST", 4)
    found = oracle_bound(carried)
    assert found.plan_g == found.objective_g
    assert found.gap_fraction == 0.0
    near = oracle_bound(fleet)
    assert 0.0 <= near.gap_fraction <= 1e-3
    assert near.objective_g <= exact.objective_g + 1e-6 * abs(exact.objective_g)
    assert near.plan_g >= exact.objective_g - 1e-6 * abs(exact.objective_g)
    assert near.plan_g - near.objective_g == pytest.approx(near.gap_fraction * abs(near.plan_g))


@pytest.mark.parametrize("over", ["slot", "horizon"])
@pytest.mark.parametrize("most", [60, 2])
def test_no_bound_where_no_plan_does_all_the_work(
    monkeypatch: pytest.MonkeyPatch, over: str, most: int
) -> None:
    monkeypatch.setattr("coordinator.simulator.regret.PAIRWISE_AT_MOST", most)
    fleet = random_fleet(3, 4, 2)
    fleet = replace(
        fleet,
        limits=replace(fleet.limits, transfer_cap_over=over),
        backlog_batches=fleet.backlog_batches + 10**4,
    )
    with pytest.raises(NoBoundError, match=r"^no bound: no node can run \S+ batches within the limits$"):
        oracle_bound(fleet)
