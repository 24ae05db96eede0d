"""Both forms of a large fleet have one optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.program import build
from coordinator.market.solve import solve, solve_lp
from coordinator.market.wide import decomposition, hub, hub_lp

SEEDS = st.integers(0, 10**6)


def hub_optimum(program: hub.HubProgram) -> tuple[float, hub.HubPlan]:
    lp, columns, units = hub_lp.build(program)
    found = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
    assert found.values is not None
    assert found.objective is not None
    return found.objective * units.grams, hub_lp.plan_of(columns, units, found.values)


def pairwise_optimum(fleet: Fleet, rules: Restrictions) -> float:
    program = build(fleet, rules, tie_break=False)
    found = solve(program)
    assert found.objective is not None
    return found.objective * program.grams_per_unit


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(0, 3), st.booleans(), st.booleans(), st.booleans())
def test_hub_and_pairwise_form_have_one_optimum(
    seed: int, deadline: int, transfers: bool, offloading: bool, harvest: bool
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    rules = Restrictions(transfers, offloading, harvest)
    found, _ = hub_optimum(hub.from_fleet(fleet, rules))
    program = build(fleet, rules, tie_break=False)
    pairwise = solve(program)
    assert pairwise.objective is not None
    expected = pairwise.objective * program.grams_per_unit
    scale = max(abs(expected), 1e-6 * program.grams_per_unit)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7 * scale)


def with_stage_ends(fleet: Fleet, seed: int) -> Fleet:
    """Work of random slots ends earlier than its deadline, as where a life-cycle stage ends."""
    slots = np.arange(fleet.horizon)
    patience = np.random.default_rng(seed).integers(0, fleet.limits.deadline_slots + 1, fleet.horizon)
    return replace(fleet, release_last_slot=slots + patience)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(1, 3), st.booleans(), st.booleans())
def test_work_ends_with_its_stage_in_both_forms(
    seed: int, deadline: int, transfers: bool, offloading: bool
) -> None:
    fleet = with_stage_ends(random_fleet(seed, deadline_slots=deadline), seed)
    rules = Restrictions(transfers, offloading, harvest=True)
    program = hub.from_fleet(fleet, rules)
    found, plan = hub_optimum(program)
    expected = pairwise_optimum(fleet, rules)
    scale = float((program.grams_per_j * program.static_j).sum())
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7 * max(abs(expected), 1e-6 * scale))
    assert max(hub.residuals(program, plan).values()) < 1e-6


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 2), st.booleans())
def test_the_transfer_cap_over_the_horizon_is_one_in_both_forms(
    seed: int, deadline: int, midway: bool
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    fleet = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    if midway:  # with exports that the harvest so far does or does not cover
        rng = np.random.default_rng(seed)
        before = rng.uniform(0, 2, (2, fleet.size)) * fleet.harvest_j.mean()
        fleet = replace(fleet, harvested_before_j=before[0], given_before_j=before[1])
    program = hub.from_fleet(fleet)
    found, plan = hub_optimum(program)
    expected = pairwise_optimum(fleet, hub.DETA)
    scale = float((program.grams_per_j * program.static_j).sum())
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7 * max(abs(expected), 1e-6 * scale))
    assert hub.residuals(program, plan)["D6 transfer cap"] < 1e-6
    with pytest.raises(ValueError, match='transfer_cap_over = "slot"'):
        decomposition.solve(program)
