"""The model (D0)-(D8): invariants of methods.md section 1 over random fleets, and cases worked out by
hand."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import explain_unserved, export, find_conflicts, solve, to_matrix, unserved

GRID = Restrictions(transfers=False, offloading=False, harvest=False)
LOCAL_LP = Restrictions(transfers=False, offloading=False, harvest=True)
DET = Restrictions(transfers=True, offloading=False, harvest=True)
DAT = Restrictions(transfers=False, offloading=True, harvest=True)
DETA = Restrictions(transfers=True, offloading=True, harvest=True)

seeds = st.integers(min_value=0, max_value=2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def plan_of(fleet: Fleet, restrictions: Restrictions) -> Plan:
    program = build(fleet, restrictions, tie_break=False)
    solution = solve(program)
    assert solution.optimal
    assert solution.values is not None
    assert unserved(program, solution.values) == 0.0
    return Plan(program, solution.values)


def grams(fleet: Fleet, restrictions: Restrictions) -> float:
    return plan_of(fleet, restrictions).objective_g


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
    sent = np.stack([plan.transfer_j(t) for t in range(h)], axis=2)
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
    arriving = np.einsum("ij,ijt->jt", fleet.transfer_efficiency(), sent)
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


def over_the_horizon(fleet: Fleet, cap_fraction: float | None = None) -> Fleet:
    limits = replace(fleet.limits, transfer_cap_over="horizon")
    if cap_fraction is not None:
        limits = replace(limits, transfer_cap_fraction=cap_fraction)
    return replace(fleet, limits=limits)


@quick
@given(seed=seeds, deadline=st.integers(0, 1), tight=st.floats(0, 1), more=st.floats(0, 1))
def test_a_cap_over_the_horizon_relaxes_that_over_the_slot(
    seed: int, deadline: int, tight: float, more: float
) -> None:
    fleet = random_fleet(seed, deadline_slots=deadline)
    slot = replace(fleet, limits=replace(fleet.limits, transfer_cap_fraction=tight))
    horizon = over_the_horizon(slot)
    loose = over_the_horizon(slot, tight + (1 - tight) * more)
    scale = 1e-6 * max(abs(grams(slot, DETA)), 1e-6)
    assert grams(horizon, DETA) <= grams(slot, DETA) + scale
    assert grams(loose, DETA) <= grams(horizon, DETA) + scale
    plan = Plan(build(horizon, DETA), solve(build(horizon, DETA)).values)  # type: ignore[arg-type]
    sent = np.stack([plan.transfer_j(t).sum(axis=1) for t in range(fleet.horizon)], axis=1)
    most = tight * np.cumsum(fleet.harvest_j, axis=1)
    assert (np.cumsum(sent, axis=1) <= most + 1e-6 * max(float(fleet.harvest_j.max()), 1.0)).all()


def test_what_was_not_given_may_be_given_later_by_hand() -> None:
    """3600 J harvested in slot 0 without a use there; the donor's battery keeps them for slot 1."""
    fleet = two_nodes()
    later = replace(
        reference_day(2, nodes=2),
        limits=replace(fleet.limits, transfer_cap_fraction=0.5),
        intensity_g_per_kwh=np.array([[0.0, 0.0], [0.0, 360.0]]),
        harvest_j=np.array([[3600.0, 0.0], [0.0, 0.0]]),
        backlog_batches=np.zeros((2, 1), dtype=np.int64),
        release_batches=np.zeros((2, 1), dtype=np.int64),
        static_w=np.full(2, 60.0),
        battery_j=np.zeros(2),
        battery_capacity_j=np.full(2, 1e6),
        charge_efficiency=np.ones(2),
        discharge_efficiency=np.ones(2),
        self_discharge_fraction=np.zeros(2),
        charge_limit_w=np.full(2, 1e6),
        discharge_limit_w=np.full(2, 1e6),
        export_efficiency=np.ones(2),
        import_efficiency=np.ones(2),
        stored_value_g_per_j=np.zeros(2),
    )
    later = replace(later, battery_capacity_j=np.array([1e6, 0.0]))  # only the donor can keep anything
    need = later.slot_s * 60.0 * 1e-4  # all of node 1's load in slot 1, at 360 g/kWh
    assert grams(later, DETA) == pytest.approx(need)
    assert grams(over_the_horizon(later), DETA) == pytest.approx(need - 1800.0 * 1e-4)
    midway = replace(
        over_the_horizon(later),
        harvested_before_j=np.array([4000.0, 0.0]),
        given_before_j=np.array([3000.0, 0.0]),
    )
    np.testing.assert_allclose(midway.transfer_caps_j(), [[800.0, 0.0], [0.0, 0.0]])
    assert grams(midway, DETA) == pytest.approx(need - 800.0 * 1e-4)
    with pytest.raises(ValueError, match="allowed are slot and horizon"):
        replace(later.limits, transfer_cap_over="day")  # type: ignore[arg-type]


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


def two_nodes(**changes: object) -> Fleet:
    """A node of high intensity with work and one of low without: 720 and 36 g/kWh, ten batches of 36 J."""
    day = reference_day(1, nodes=2)
    fleet = replace(
        day,
        intensity_g_per_kwh=np.array([[720.0], [36.0]]),
        harvest_j=np.zeros((2, 1)),
        backlog_batches=np.array([[10], [0]]),
        joules_per_batch=np.full((2, 1), 36.0),
        seconds_per_batch=np.full((2, 1), 1.0),
        bytes_per_batch=np.array([1e6]),
        static_w=np.zeros(2),
        sleep_w=np.zeros(2),
        tx_j_per_byte=np.full(2, 1e-6),
        rx_j_per_byte=np.full(2, 2e-6),
        storage_bytes=np.full(2, 1e9),
        battery_capacity_j=np.zeros(2),
        limits=replace(day.limits, net_j_per_byte=1e-6),
    )
    return replace(fleet, **changes) if changes else fleet  # type: ignore[arg-type]


def test_offload_by_hand() -> None:
    # five of ten batches leave (b_y = 0.5): 5*36 J + 5*1 J sent at 720 g/kWh = 2e-4 g/J; 5*36 J + 5*2 J
    # received at 1e-5 g/J; 5*1 J in the network at the mean of the two
    expected = 185 * 2e-4 + 190 * 1e-5 + 5 * 1.05e-4
    assert grams(two_nodes(), DAT) == pytest.approx(expected, rel=1e-9)
    assert grams(two_nodes(), LOCAL_LP) == pytest.approx(360 * 2e-4, rel=1e-9)


def test_transfer_by_hand() -> None:
    # the clean node has 100 J of sun and no load: half may go, 0.9 * 0.8 of it arrives
    fleet = two_nodes(
        harvest_j=np.array([[0.0], [100.0]]),
        export_efficiency=np.array([1.0, 0.9]),
        import_efficiency=np.array([0.8, 1.0]),
    )
    assert grams(fleet, DET) == pytest.approx((360 - 50 * 0.72) * 2e-4, rel=1e-9)


def test_battery_shifts_harvest_by_hand() -> None:
    # slot 0 sunny and clean, slot 1 dark and dirty: 90 % into the store, 2 % lost per slot, 80 % out of it
    day = reference_day(2, nodes=1)
    fleet = replace(
        day,
        intensity_g_per_kwh=np.array([[36.0, 720.0]]),
        harvest_j=np.array([[50.0, 0.0]]),
        backlog_batches=np.array([[0]]),
        release_batches=np.array([[10]]),
        joules_per_batch=np.full((1, 2), 36.0),
        seconds_per_batch=np.ones((1, 2)),
        static_w=np.zeros(1),
        battery_capacity_j=np.array([1000.0]),
        battery_j=np.zeros(1),
        charge_efficiency=np.array([0.9]),
        discharge_efficiency=np.array([0.8]),
        self_discharge_fraction=np.array([0.02]),
        stored_value_g_per_j=np.zeros(1),
    )
    assert grams(fleet, LOCAL_LP) == pytest.approx((360 - 50 * 0.9 * 0.98 * 0.8) * 2e-4, rel=1e-9)


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


def test_waking_costs_energy_and_time() -> None:
    fleet = two_nodes(
        static_w=np.full(2, 3.0),
        asleep=np.array([True, False]),
        wake_j=np.array([7.0, 0.0]),
        wake_s=np.array([55.0, 0.0]),
    )
    sleepy = replace(fleet, limits=replace(fleet.limits, may_sleep=True))
    plan = plan_of(sleepy, DAT)
    # 55 of 60 s go into waking up: five batches fit at home, five leave
    np.testing.assert_allclose(plan.batches(0), [[5, 5], [0, 0]], atol=1e-6)
    assert plan.grid_j[0, 0] == pytest.approx(180 + 7 + 180 + 5, rel=1e-6)


def test_work_that_fits_nowhere_is_reported_not_dropped() -> None:
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]))
    program = build(fleet, LOCAL_LP)
    values = solve(program).values
    assert values is not None
    assert unserved(program, values) == pytest.approx(40.0)
    reason = explain_unserved(program)
    assert reason.conflicts[0] == "(D4) all work done by its deadline"
    assert reason.excess == {"D7_time.edge_00.t0 [seconds]": pytest.approx(40.0)}


def test_conflicting_limits_are_named() -> None:
    # both nodes together have the time, but storage has room for only three offloaded batches
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]), storage_bytes=np.array([0.0, 3e6]))
    program = build(fleet, DAT)
    reason = explain_unserved(program)
    assert sum(reason.excess.values()) > 0
    assert {name.split(".")[0] for name in reason.excess} <= {"D7_time", "D7_storage", "D5_offload_cap"}
    assert any(name.startswith(("D7_time.edge_00", "D7_storage.edge_01")) for name in reason.excess)


def test_work_ends_with_its_stage() -> None:
    """Released in slot 0 with a deadline two slots on, but its stage ends with slot 0: it may not wait."""
    fleet = two_nodes()
    day = reference_day(3, nodes=2)
    later = replace(
        day,
        limits=replace(day.limits, deadline_slots=2),
        intensity_g_per_kwh=np.array([[720.0, 720.0, 36.0]] * 2),
        harvest_j=np.zeros((2, 3)),
        backlog_batches=np.zeros((2, 3), dtype=np.int64),
        release_batches=np.array([[10, 0], [0, 0]]),
        joules_per_batch=np.full((2, 3), 36.0),
        battery_capacity_j=np.zeros(2),
        static_w=np.zeros(2),
    )
    assert fleet.release_last_slot is None
    assert grams(later, LOCAL_LP) == pytest.approx(360 * 1e-5)  # waits for the clean slot
    ended = replace(later, release_last_slot=np.array([0, 1, 2]))
    assert grams(ended, LOCAL_LP) == pytest.approx(360 * 2e-4)
    assert grams(ended, DETA) == pytest.approx(360 * 2e-4, rel=1e-2)


def test_impossible_scenarios_are_found_before_they_start() -> None:
    assert find_conflicts(reference_day(6, nodes=4), LOCAL_LP) is None
    day = reference_day(4, nodes=2)
    late = day.release_batches.copy()
    late[1, 2] = 200
    reason = find_conflicts(replace(day, release_batches=late), LOCAL_LP)
    assert reason is not None
    assert list(reason.excess) == ["D7_time.edge_01.t3 [seconds]"]
    # 60 s hold 48 whole batches of 1.25 s; 152 too many
    assert reason.excess["D7_time.edge_01.t3 [seconds]"] == pytest.approx(152 * 1.25)


@pytest.mark.parametrize("ending", [".lp", ".mps"])
def test_export_names_the_equations(tmp_path, ending: str) -> None:  # type: ignore[no-untyped-def]
    program = build(reference_day(2, nodes=2), DETA)
    path = tmp_path / f"model{ending}"
    export(program, path)
    text = path.read_text()
    for name in (
        "D1_energy_use.edge_00.t1",
        "D2_green_bus.edge_01.t0",
        "D4_all_work_done.edge_00.r1d1",
        "w.edge_00.edge_01.t0",
    ):
        assert name in text
    with pytest.raises(ValueError, match=r"\.lp and \.mps"):
        export(program, tmp_path / "model.txt")


def test_exported_program_has_the_same_optimum(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Read back unscaled by an independent solver (scipy's dual simplex on the matrices): same grams."""
    from scipy.optimize import linprog

    fleet = reference_day(3, nodes=3)
    scaled = plan_of(fleet, DETA)
    plain = build(fleet, DETA, scaled=False, tie_break=False)
    matrix = to_matrix(plain)
    equal = plain.row_lower == plain.row_upper
    at_most = ~equal & np.isfinite(plain.row_upper)
    result = linprog(
        plain.cost,
        A_eq=matrix[equal],
        b_eq=plain.row_upper[equal],
        A_ub=matrix[at_most],
        b_ub=plain.row_upper[at_most],
        bounds=np.column_stack([plain.column_lower, plain.column_upper]),
        method="highs-ipm",
    )
    assert result.fun == pytest.approx(scaled.objective_g, rel=1e-6)


def test_wrong_scale_of_units_does_not_change_the_plan() -> None:
    fleet = random_fleet(5, nodes=4, horizon=3)
    program = build(fleet, DETA, scaled=False, tie_break=False)
    values = solve(program).values
    assert values is not None
    assert Plan(program, values).objective_g == pytest.approx(grams(fleet, DETA), rel=1e-4)


def test_the_solver_prints_nothing():
    """``--json`` promises one object on standard output: text printed by the solver would break it."""
    code = (
        "from coordinator.market.instances import reference_day\n"
        "from coordinator.policies.deta import Deta\n"
        "Deta().decide(reference_day(2, 3), None)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout == ""
