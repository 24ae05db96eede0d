"""The market over random fleets: invariants of the model (D0)-(D8)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import solve
from tests.coordinator.market.plans import grams, plan_of, two_nodes

GRID = Restrictions(transfers=False, offloading=False, harvest=False)
LOCAL_LP = Restrictions(transfers=False, offloading=False, harvest=True)
DET = Restrictions(transfers=True, offloading=False, harvest=True)
DAT = Restrictions(transfers=False, offloading=True, harvest=True)
DETA = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(min_value=0, max_value=2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def not_above(lower: float, upper: float, scale: float) -> bool:
    return lower <= upper + 1e-6 * max(scale, 1e-9)


@quick
@given(seed=seeds, deadline=st.integers(0, 2), pairwise=st.booleans())
def test_fewer_restrictions_never_cost_more(seed: int, deadline: int, pairwise: bool) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline, pairwise_losses=pairwise)
    grid, local, det, dat, deta = (plan_of(fleet, r) for r in (GRID, LOCAL_LP, DET, DAT, DETA))
    scale = abs(grid.objective_g) + grid.emissions_g
    assert not_above(deta.objective_g, min(det.objective_g, dat.objective_g), scale)
    assert not_above(max(det.objective_g, dat.objective_g), local.objective_g, scale)
    assert not_above(local.objective_g, grid.objective_g, scale)


@quick
@given(seed=seeds)
def test_without_harvest_there_is_nothing_to_trade(seed: int) -> None:
    fleet = random_fleet(seed)
    fleet = replace(fleet, harvest_j=np.zeros_like(fleet.harvest_j))
    assert grams(fleet, DET) == pytest.approx(grams(fleet, LOCAL_LP), rel=1e-6, abs=1e-12)


@quick
@given(seed=seeds, deadline=st.integers(0, 2))
def test_energy_and_work_are_conserved(seed: int, deadline: int) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    plan = plan_of(fleet, DETA)
    layout, h = plan.program.layout, fleet.horizon
    moved = np.stack([plan.batches(t) for t in range(h)], axis=2)
    sent = np.stack([plan.transfers(t).matrix(fleet.size) for t in range(h)], axis=2)
    away = moved.copy()
    away[np.diag_indices(fleet.size)] = 0.0

    # (D4): every batch runs once, in its window
    total = fleet.backlog_batches.sum() + fleet.release_batches.sum()
    left = plan.values[layout.columns["left"]].sum() if deadline else 0.0
    assert moved.sum() + left == pytest.approx(total, rel=1e-6, abs=1e-6)
    if deadline == 0:
        released = np.column_stack([fleet.backlog_batches[:, 0], fleet.release_batches])
        np.testing.assert_allclose(moved.sum(axis=1), released, rtol=1e-6, atol=1e-6)

    # (D1), (D2), (D3) from the data, independent of the matrix
    guests = away.sum(axis=0)
    gone = away.sum(axis=1)
    demand = (
        fleet.slot_s * fleet.static_w[:, None]
        + fleet.joules_per_batch * moved.sum(axis=0)
        + fleet.bytes_per_batch
        * (fleet.rx_j_per_byte[:, None] * guests + fleet.tx_j_per_byte[:, None] * gone)
    )
    scale = float(demand.max() + fleet.harvest_j.max())
    np.testing.assert_allclose(plan.grid_j + plan.green_j, demand, rtol=1e-6, atol=1e-6 * scale)
    arriving = np.einsum("ij,ijt->jt", np.outer(fleet.export_efficiency, fleet.import_efficiency), sent)
    into = fleet.harvest_j + plan.discharge_j + arriving
    out = plan.green_j + plan.charge_j + sent.sum(axis=1) + plan.curtailed_j
    np.testing.assert_allclose(into, out, rtol=1e-6, atol=1e-6 * scale)
    before = np.column_stack([fleet.battery_j, plan.stored_j[:, :-1]])
    after = (
        (1 - fleet.self_discharge_fraction[:, None]) * before
        + fleet.charge_efficiency[:, None] * plan.charge_j
        - plan.discharge_j / fleet.discharge_efficiency[:, None]
    )
    np.testing.assert_allclose(plan.stored_j, after, rtol=1e-6, atol=1e-6 * scale)

    # caps
    assert (sent.sum(axis=1) <= fleet.limits.transfer_cap_fraction * fleet.harvest_j + 1e-6 * scale).all()
    assert (fleet.seconds_per_batch * moved.sum(axis=0) <= fleet.slot_s * (1 + 1e-6)).all()
    assert (fleet.bytes_per_batch * guests <= fleet.storage_bytes[:, None] * (1 + 1e-6) + 1e-3).all()
    if deadline == 0:
        assert (gone <= fleet.limits.offload_cap_fraction * released + 1e-6).all()
    assert gone[:, ~fleet.offloadable].sum() == pytest.approx(0.0, abs=1e-6)


@quick
@given(seed=seeds, field=st.sampled_from(["b_y", "b_h", "Bmax", "loss"]))
def test_larger_limits_never_cost_more(seed: int, field: str) -> None:
    fleet = random_fleet(seed, nodes=4, horizon=3)
    tight = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.4, transfer_cap_fraction=0.4))
    if field == "b_y":
        loose = replace(tight, limits=replace(tight.limits, offload_cap_fraction=0.8))
    elif field == "b_h":
        loose = replace(tight, limits=replace(tight.limits, transfer_cap_fraction=0.8))
    elif field == "Bmax":
        loose = replace(tight, battery_capacity_j=tight.battery_capacity_j * 1.5)
    else:
        loose = replace(
            tight,
            export_efficiency=np.minimum(tight.export_efficiency * 1.1, 1.0),
            import_efficiency=np.minimum(tight.import_efficiency * 1.1, 1.0),
        )
    narrow, wide = plan_of(tight, DETA), plan_of(loose, DETA)
    assert not_above(wide.objective_g, narrow.objective_g, narrow.emissions_g + abs(narrow.objective_g))


@quick
@given(seed=seeds)
def test_later_deadlines_never_cost_more(seed: int) -> None:
    now = random_fleet(seed, nodes=3, horizon=4)
    waiting = replace(
        now,
        limits=replace(now.limits, deadline_slots=2),
        backlog_batches=np.column_stack([np.zeros((3, 2), dtype=np.int64), now.backlog_batches]),
    )
    first, second = plan_of(now, DETA), plan_of(waiting, DETA)
    assert not_above(second.objective_g, first.objective_g, first.emissions_g + abs(first.objective_g))


def test_sleep_needs_room_to_move_work() -> None:
    """With b_y = 0.5 and no deferral a node that owns work can never sleep (methods.md section 1)."""
    fleet = two_nodes(static_w=np.full(2, 3.0), sleep_w=np.full(2, 0.1))
    half = replace(fleet, limits=replace(fleet.limits, may_sleep=True))
    full = replace(half, limits=replace(half.limits, offload_cap_fraction=1.0))
    assert plan_of(half, DAT).awake[:, 0].tolist() == [True, True]
    slept = plan_of(full, DAT)
    assert slept.awake[:, 0].tolist() == [False, True]
    # 60 s asleep at 0.1 W and ten batches sent, at 2e-4 g/J; awake at 3 W, ten batches received and run,
    # at 1e-5 g/J
    assert slept.emissions_g == pytest.approx(
        (6 + 10) * 2e-4 + (180 + 20 + 360) * 1e-5 + 10 * 1.05e-4, rel=1e-6
    )


def test_wrong_scale_of_units_does_not_change_the_plan() -> None:
    fleet = random_fleet(5, nodes=4, horizon=3)
    program = build(fleet, DETA, scaled=False, tie_break=False)
    values = solve(program).values
    assert values is not None
    assert Plan(program, values).objective_g == pytest.approx(grams(fleet, DETA), rel=1e-4)
