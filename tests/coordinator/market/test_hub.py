"""The hub form: the same optimum as the pairwise form, and back to pairs without loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market import hub, hub_lp, hub_recovery
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.program import build
from coordinator.market.solve import solve, solve_lp

SEEDS = st.integers(0, 10**6)


def hub_optimum(program: hub.HubProgram) -> tuple[float, hub.HubPlan]:
    lp, columns, units = hub_lp.build(program)
    found = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
    assert found.values is not None
    assert found.objective is not None
    return found.objective * units.grams, hub_lp.plan_of(columns, units, found.values)


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


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 2))
def test_a_hub_plan_becomes_pairs_that_carry_the_same_totals(seed: int, deadline: int) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    program = hub.from_fleet(fleet)
    optimum, plan = hub_optimum(program)
    clean = hub_recovery.without_self_trade(program, plan)
    assert max(hub.residuals(program, clean).values()) < 1e-6
    assert hub.objective_g(program, clean) <= optimum + 1e-7 * abs(optimum) + 1e-12 * float(
        (program.grams_per_j * program.static_j).sum()
    )
    efficiency = fleet.transfer_efficiency()
    for slot in range(fleet.horizon):
        energy = hub_recovery.energy_flows(program, clean, slot).matrix(fleet.size)
        work = hub_recovery.work_flows(clean, slot).matrix(fleet.size)
        assert np.diag(energy).max() == 0
        assert np.diag(work).max() == 0
        scale = max(float(energy.max()), 1.0)
        np.testing.assert_allclose(energy.sum(axis=1), clean.export_j[slot], atol=1e-6 * scale)
        arrived = program.import_efficiency * clean.import_j[slot]
        np.testing.assert_allclose((energy * efficiency).sum(axis=0), arrived, atol=1e-6 * scale)
        np.testing.assert_allclose(work.sum(axis=1), clean.offload_batches[:, slot].sum(axis=0), atol=1e-6)
        np.testing.assert_allclose(work.sum(axis=0), clean.guest_batches[slot], atol=1e-6)


def test_self_trade_is_taken_out_and_only_helps() -> None:
    """A plan that sends energy and work to the hub and takes the same back pays for nothing."""
    fleet = reference_day(1, nodes=1)
    fleet = replace(fleet, harvest_j=np.full((1, 1), 100.0))
    program = hub.from_fleet(fleet)
    _, plan = hub_optimum(program)
    sent = np.full((1, 1), 5.0)
    out, into = program.export_efficiency[0], program.import_efficiency[0]
    circles = replace(
        plan,
        export_j=sent,
        import_j=out * sent,
        green_j=plan.green_j - sent * (1 - out * into),
        grid_j=plan.grid_j + sent * (1 - out * into) + 2 * (program.owner_j + program.guest_j),
        own_batches=plan.own_batches - 2,
        offload_batches=plan.offload_batches + 2,
        guest_batches=plan.guest_batches + 2,
    )
    assert max(hub.residuals(program, circles).values()) < 1e-9
    clean = hub_recovery.without_self_trade(program, circles)
    assert clean.export_j.max() == 0
    assert clean.offload_batches.max() == 0
    assert hub.objective_g(program, clean) < hub.objective_g(program, circles)
    assert hub.objective_g(program, clean) == pytest.approx(hub.objective_g(program, plan))


def test_a_loss_matrix_is_refused() -> None:
    with pytest.raises(hub.NotProductFormError, match="export_efficiency"):
        hub.from_fleet(random_fleet(1, 3, pairwise_losses=True))


def test_size_grows_linearly_with_the_nodes() -> None:
    small, large = (hub_lp.build(hub.from_fleet(reference_day(24, nodes=n)))[0] for n in (10, 40))
    assert large.matrix.nnz < 4.1 * small.matrix.nnz
