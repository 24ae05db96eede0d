"""Decisions in the hub form: those of the pairwise program, to the proven gap, within every limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.optimiser import large_fleet
from carbon_data.stored_value import StoredValue
from coordinator.market.decision import Feasible, Infeasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.wide.decide import WIDE_FROM, decide, why_pairwise
from coordinator.policies.optimised import optimise
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import violations
from coordinator.simulator.simulate import Information, World, simulate

GAP = 1e-4
seeds = st.integers(0, 2**32 - 1)
freedoms = st.builds(Restrictions, transfers=st.booleans(), offloading=st.booleans(), harvest=st.just(True))


def random_worth(fleet: Fleet, seed: int) -> StoredValue:
    """Falling steps over each battery."""
    rng = np.random.default_rng(seed)
    capacity = np.maximum(fleet.battery_capacity_j, fleet.battery_j)
    grams = -np.sort(-rng.uniform(0, 2e-4, (fleet.size, 5)), axis=1)
    shares = rng.dirichlet(np.ones(5), fleet.size)
    return StoredValue(grams, capacity[:, None] * shares)


def bill_g(fleet: Fleet) -> float:
    return float((fleet.intensity_g_per_kwh * fleet.static_w[:, None]).sum()) * fleet.slot_s / 3.6e6


@settings(max_examples=60, deadline=None)
@given(seeds, freedoms, st.booleans(), st.integers(0, 2))
def test_equals_the_pairwise_form(
    seed: int, restrictions: Restrictions, valued: bool, deadline_slots: int
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline_slots)
    value = random_worth(fleet, seed) if valued else None
    wide = decide(fleet, restrictions, GAP, value)
    assert violations(fleet, wide) == []
    pairwise = optimise(fleet, restrictions, stored_value=value)
    assert wide.unserved_batches.sum() <= pairwise.unserved_batches.sum()
    if not isinstance(pairwise.outcome, Infeasible):
        assert not isinstance(wide.outcome, Infeasible), "work left undone that a plan could do"
    scale = max(abs(pairwise.notes["objective_g"]), pairwise.notes["plan_emissions_g"], 1e-6 * bill_g(fleet))
    gap = getattr(pairwise.outcome, "gap_fraction", 0.0) or 0.0
    above = wide.notes["objective_g"] - pairwise.notes["objective_g"]
    assert above >= -(gap + 1e-5) * scale, "below the optimum"
    if not wide.unserved_batches.any():
        own_scale = max(abs(wide.notes["objective_g"]), wide.notes["plan_emissions_g"], scale)
        assert above <= (whole_batches_gap(wide.outcome) + 1e-5) * own_scale


def whole_batches_gap(outcome: Optimal | Feasible | Infeasible) -> float:
    assert isinstance(outcome, Optimal | Feasible)
    return 0.0 if isinstance(outcome, Optimal) else outcome.gap_fraction or 0.0


def test_a_large_fleet_is_decided_in_the_hub_form_and_proves_its_gap() -> None:
    fleet = replace(large_fleet(WIDE_FROM, 6), decision_slots=1)
    decision, _ = make_policy("deta").decide(fleet, None)
    assert decision.notes["wide_form"] == 1.0
    assert violations(fleet, decision) == []
    assert isinstance(decision.outcome, Optimal | Feasible)
    assert whole_batches_gap(decision.outcome) <= 1e-3
    assert decision.offloaded_batches() > 0
    # a pair for about every node, not for every pair of nodes
    assert len(decision.moves) <= 2 * fleet.size
    assert len(decision.transfers) <= 2 * fleet.size


@pytest.mark.parametrize("name", ["local-lp", "det", "dat", "deta"])
def test_both_forms_roll_a_day_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine slots of a morning: emissions agree to a thousandth."""
    fleet = replace(large_fleet(12, 18), stored_value_g_per_j=np.zeros(12))
    day = World(fleet)
    pairwise = simulate(day, make_policy(name), Information(1)).emissions_g
    monkeypatch.setattr("coordinator.market.wide.decide.WIDE_FROM", 1)
    wide = simulate(day, make_policy(name), Information(1)).emissions_g
    assert wide == pytest.approx(pairwise, rel=2e-3)


def test_work_without_a_place_is_reported() -> None:
    fleet = random_fleet(3, 4, 2)
    crowded = replace(fleet, backlog_batches=fleet.backlog_batches + 10**6)
    decision = decide(crowded, Restrictions(True, True, True))
    assert violations(crowded, decision) == []
    assert isinstance(decision.outcome, Infeasible)
    assert decision.outcome.excess["(D4) unserved [batches]"] == decision.unserved_batches.sum() > 0


def test_later_work_without_a_place_is_told_too() -> None:
    fleet = random_fleet(3, 4, 2)
    crowded = replace(fleet, release_batches=fleet.release_batches + 10**6)
    for decision in (
        decide(crowded, Restrictions(True, True, True)),
        optimise(crowded, Restrictions(True, True, True)),
    ):
        assert violations(crowded, decision) == []
        assert not decision.unserved_batches.any()
        assert isinstance(decision.outcome, Infeasible)


def test_model_energy_of_nodes_that_run_nothing_is_not_drawn() -> None:
    """The share on every batch is made up to m_i where whole batches run, and nowhere else."""
    fleet = random_fleet(11, 5, 2)
    with_models = replace(fleet, model_j=np.full((5, 2), 30.0))
    restrictions = Restrictions(True, True, True)
    wide, pairwise = (
        decide(with_models, restrictions, GAP),
        optimise(with_models, restrictions),
    )
    assert wide.notes["objective_g"] == pytest.approx(
        pairwise.notes["objective_g"], rel=1e-3 + whole_batches_gap(wide.outcome)
    )


def test_what_the_hub_form_cannot_do_is_named() -> None:
    large = large_fleet(WIDE_FROM, 2)
    assert why_pairwise(large) is None
    reasons = {
        "fewer": large_fleet(WIDE_FROM - 1, 2),
        "sleep": replace(large, limits=replace(large.limits, may_sleep=True)),
        "horizon": replace(large, limits=replace(large.limits, transfer_cap_over="horizon")),
        "pair": replace(large, loss_fraction=np.zeros((WIDE_FROM, WIDE_FROM))),
    }
    for word, fleet in reasons.items():
        assert word in str(why_pairwise(fleet))
