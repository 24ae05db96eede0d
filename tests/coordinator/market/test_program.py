"""The model (D0)-(D8): invariants of methods.md section 1 over random fleets, and cases worked out by
hand."""

from __future__ import annotations

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
from coordinator.market.solve import solve
from tests.coordinator.market.plans import grams, plan_of, two_nodes

LOCAL_LP = Restrictions(transfers=False, offloading=False, harvest=True)
DET = Restrictions(transfers=True, offloading=False, harvest=True)
DAT = Restrictions(transfers=False, offloading=True, harvest=True)
DETA = Restrictions(transfers=True, offloading=True, harvest=True)
seeds = st.integers(min_value=0, max_value=2**32 - 1)
quick = settings(max_examples=40, deadline=None)


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
    sent = np.stack([plan.transfers(t).given(fleet.size) for t in range(fleet.horizon)], axis=1)
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
