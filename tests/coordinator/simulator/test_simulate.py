"""The horizon simulator: conservation, agreement with a node's own battery, regret, forecasts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.storage import EnergyError, balance
from coordinator.market.fleet import Fleet
from coordinator.market.forecast import ClearSky, GaussianError, Perfect, Persistence, make_forecast
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.physics import execute
from coordinator.market.solve import SolverOptions
from coordinator.policies.registry import POLICIES, make_policy
from coordinator.simulator.regret import oracle_bound
from coordinator.simulator.simulate import Information, Run, World, simulate
from edge_node.config import BatteryConfig
from edge_node.energy.battery import battery_of

seeds = st.integers(0, 2**32 - 1)


def with_deadline(fleet: Fleet, slots: int, **limits: Any) -> Fleet:
    zeros = np.zeros((fleet.size, slots), dtype=np.int64)
    return replace(
        fleet,
        limits=replace(fleet.limits, deadline_slots=slots, **limits),
        backlog_batches=np.hstack([zeros, fleet.backlog_batches]),
    )


def assert_conserved(run: Run) -> None:
    """(D1)-(D3) over every slot, and every batch accounted for."""
    fleet = run.world.fleet
    tolerance = {"rtol": 1e-9, "atol": 1e-6}
    np.testing.assert_allclose(run.grid_j + run.green_j, run.demand_j, **tolerance)
    into = run.harvest_j + run.discharge_j + run.import_j
    out = run.green_j + run.charge_j + run.export_j + run.curtailed_j
    np.testing.assert_allclose(into, out, **tolerance)
    before = np.vstack([fleet.battery_j, run.battery_j[:-1]])
    has = fleet.battery_capacity_j > 0
    after = (
        (1 - fleet.self_discharge_fraction) * before
        + np.where(has, fleet.charge_efficiency, 1) * run.charge_j
        - run.discharge_j / np.where(has, fleet.discharge_efficiency, 1)
    )
    np.testing.assert_allclose(run.battery_j, after, **tolerance)
    released = fleet.backlog_batches.sum() + fleet.release_batches.sum()
    done = run.executed_batches.sum() + run.unserved_batches.sum() + run.unselected_batches.sum()
    assert done == released
    for name in (
        "grid_j",
        "green_j",
        "charge_j",
        "discharge_j",
        "export_j",
        "import_j",
        "curtailed_j",
        "battery_j",
    ):
        assert (getattr(run, name) >= -1e-9).all()


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_conserves_energy_and_work(name: str) -> None:
    world = World(with_deadline(reference_day(9, nodes=4), 1))
    assert_conserved(simulate(world, make_policy(name), Information(horizon=3)))


@settings(max_examples=15, deadline=None)
@given(
    seed=seeds, deadline=st.integers(0, 2), name=st.sampled_from(["local", "det", "deta", "nearest-green"])
)
def test_random_worlds_conserve_energy_and_work(seed: int, deadline: int, name: str) -> None:
    run = simulate(World(random_fleet(seed, horizon=4, deadline_slots=deadline)), make_policy(name))
    assert_conserved(run)


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_battery_agrees_with_the_node_itself(seed: int) -> None:
    """The float rule here and the integer rule of carbon_data.storage give the same joules, exports out of a battery
    and losses on the way included."""
    rng = np.random.default_rng(seed)
    fleet = random_fleet(seed, nodes=3, horizon=1)
    batches = np.diag(fleet.backlog_batches.sum(axis=1))
    transfer = np.zeros((3, 3))
    scale = fleet.slot_s * 3
    charge, discharge = rng.uniform(0, scale, 3), rng.uniform(0, scale, 3)
    stored = fleet.battery_j[0] * (1 - fleet.self_discharge_fraction[0]) * fleet.discharge_efficiency[0]
    drawable = min(stored, discharge[0], fleet.discharge_limit_w[0] * fleet.slot_s)
    # A hair below what can be drawn: the integer rule refuses an export that its rounding cannot give.
    most = fleet.harvest_j[0, 0] + max(drawable - 1e-4, 0.0) * bool(fleet.battery_capacity_j[0])
    transfer[0, 1] = rng.uniform(0, 1) * most
    awake = np.ones(3, dtype=bool)
    flows = execute(fleet, batches, transfer, charge, discharge, awake)
    for i in range(3):
        config = BatteryConfig(
            capacity_j=fleet.battery_capacity_j[i],
            charge_efficiency_fraction=fleet.charge_efficiency[i],
            discharge_efficiency_fraction=fleet.discharge_efficiency[i],
            self_discharge_fraction=fleet.self_discharge_fraction[i],
            charge_limit_w=fleet.charge_limit_w[i],
            discharge_limit_w=fleet.discharge_limit_w[i],
        )
        battery = battery_of(config if config.capacity_j else None, fleet.slot_s)
        booked = balance(
            battery,
            min(round(fleet.battery_j[i] * 1e6), battery.capacity_uj),
            demand_uj=round(flows.demand_j[i] * 1e6),
            harvest_uj=round(fleet.harvest_j[i, 0] * 1e6),
            import_uj=round(flows.import_j[i] * 1e6),
            export_uj=int(transfer[i].sum() * 1e6),
            charge_uj=round(charge[i] * 1e6),
            discharge_uj=round(discharge[i] * 1e6),
        )
        for name in ("grid", "green", "charge", "discharge", "curtailed"):
            expected = getattr(booked, f"{name}_uj") * 1e-6
            assert getattr(flows, f"{name}_j")[i] == pytest.approx(expected, rel=1e-6, abs=1e-3)
        assert flows.battery_j[i] == pytest.approx(booked.battery_after_uj * 1e-6, rel=1e-6, abs=1e-3)


def test_a_donor_gives_no_more_than_it_has() -> None:
    fleet = replace(
        reference_day(1, nodes=2), harvest_j=np.array([[10.0], [0.0]]), battery_capacity_j=np.zeros(2)
    )
    transfer = np.array([[0.0, 25.0], [0.0, 0.0]])
    flows = execute(
        fleet, np.zeros((2, 2), dtype=np.int64), transfer, np.zeros(2), np.zeros(2), np.ones(2, dtype=bool)
    )
    assert flows.export_j.tolist() == [10.0, 0.0]
    assert flows.import_j[1] == pytest.approx(10.0 * fleet.transfer_efficiency()[0, 1])
    with pytest.raises(EnergyError):  # the integer rule refuses what the settlement here has cut
        balance(battery_of(None, 60.0), 0, demand_uj=0, harvest_uj=10, export_uj=25)


@settings(max_examples=20, deadline=None)
@given(seeds, st.sampled_from([1, 2, None]), st.sampled_from(["deta", "det", "fedzero", "auction", "admm"]))
def test_a_transfer_cap_over_the_horizon_is_kept_over_the_run(
    seed: int, horizon: int | None, name: str
) -> None:
    """For any look-ahead and any forecast error: at no time has a node given more than b_h of
    its harvest in the run until then; and no policy is below the bound."""
    fleet = random_fleet(seed, 3, 5)
    fleet = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    told = Information(horizon, harvest=GaussianError(0.5, seed))
    run = simulate(World(fleet), make_policy(name), told)
    assert_conserved(run)
    given_j, harvested_j = run.export_j.cumsum(axis=0), run.harvest_j.cumsum(axis=0)
    assert (given_j <= fleet.limits.transfer_cap_fraction * harvested_j * (1 + 1e-9) + 1e-6).all()
    if not run.unserved_batches.any():
        bound = oracle_bound(fleet)
        assert run.objective_g - bound.objective_g >= -1e-6 * max(abs(bound.objective_g), 1e-3)


def test_a_cap_over_the_horizon_lets_a_battery_give_at_night() -> None:
    day = reference_day(24, nodes=6)
    carried = replace(day, limits=replace(day.limits, transfer_cap_over="horizon"))
    slot, horizon = (simulate(World(fleet), make_policy("deta"), Information(6)) for fleet in (day, carried))
    dark = (day.harvest_j == 0).T
    assert slot.export_j[dark].sum() == 0
    assert horizon.export_j[dark].sum() > 0
    assert oracle_bound(carried).objective_g < oracle_bound(day).objective_g


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


def test_sleep_saves_where_work_may_wait_and_the_gap_is_reported() -> None:
    day = reference_day(6, nodes=3)
    world = World(with_deadline(day, 2, may_sleep=True))
    awake = World(with_deadline(day, 2))
    slept = simulate(world, make_policy("deta"))
    assert_conserved(slept)
    assert slept.unserved_batches.sum() == 0
    assert not slept.awake.all()
    assert slept.objective_g < simulate(awake, make_policy("deta")).objective_g
    bound = oracle_bound(world, options=SolverOptions(mip_gap_fraction=0.01))
    assert 0 <= bound.gap_fraction <= 0.01
    assert bound.objective_g <= bound.plan_g + 1e-12
    assert slept.objective_g - bound.objective_g >= -1e-9


def test_grid_runs_without_panels() -> None:
    run = simulate(World(reference_day(3, nodes=2)), make_policy("grid"))
    assert run.green_j.sum() == 0
    assert run.harvest_j.sum() == 0


def test_selection_leaves_the_others_work_and_says_so() -> None:
    run = simulate(World(reference_day(3, nodes=4)), make_policy("lowest-ci", clients=2))
    assert run.selected.sum() == 6
    assert run.unselected_batches.sum() > 0
    assert run.unserved_batches.sum() == 0
    assert sorted(run.participations) == [0, 0, 3, 3]


def test_a_policy_that_breaks_a_limit_is_refused() -> None:
    class Greedy:
        name = "greedy"

        def init(self, seed: int) -> None:
            return None

        def decide(self, fleet: Fleet, state: Any) -> Any:
            decision, _ = make_policy("local").decide(fleet, None)
            return replace(decision, batches=decision.batches * 99), None

    with pytest.raises(ValueError, match="greedy breaks a limit in slot 0"):
        simulate(World(reference_day(2, nodes=2)), Greedy())


def test_persistence_repeats_yesterday() -> None:
    series = np.arange(30.0)[None, :]
    forecast = Persistence(period=24)(series, 25, 4)
    assert forecast.tolist() == [[25.0, 2.0, 3.0, 4.0]]
    assert Persistence(24)(series, 3, 3).tolist() == [[3.0, 3.0, 3.0]]  # no day before yet: the last value
    assert Persistence(2)(series, 9, 5).tolist() == [[9.0, 8.0, 9.0, 8.0, 9.0]]


def test_clear_sky_scales_by_the_last_clearness() -> None:
    clear = np.array([[0.0, 10.0, 20.0, 0.0, 10.0]])
    actual = np.array([[0.0, 5.0, 5.0, 0.0, 9.0]])
    forecast = ClearSky(clear)
    assert forecast(actual, 1, 4).tolist() == [[5.0, 10.0, 0.0, 5.0]]
    assert forecast(actual, 3, 2).tolist() == [[0.0, 2.5]]  # night: the index of when the sun last shone
    assert forecast(actual, 0, 2).tolist() == [[0.0, 7.0]]
    with pytest.raises(ValueError, match="must agree"):
        forecast(actual[:, :3], 0, 2)


def test_gaussian_error_has_the_size_asked_for_and_is_seeded() -> None:
    series = np.full((50, 100), 400.0)
    forecast = GaussianError(0.1, seed=3)
    first = forecast(series, 5, 60)
    assert np.array_equal(first, forecast(series, 5, 60))
    assert not np.array_equal(first, GaussianError(0.1, seed=4)(series, 5, 60))
    assert (first[:, 0] == 400.0).all()
    assert first[:, 1:].std() == pytest.approx(40.0, rel=0.1)
    assert (GaussianError(5.0, seed=1)(series, 0, 50) >= 0).all()


def test_forecasts_by_name() -> None:
    assert make_forecast("perfect") == Perfect()
    assert make_forecast("gaussian", error_fraction=0.05, seed=1) == GaussianError(0.05, 1)
    with pytest.raises(ValueError, match="allowed are"):
        make_forecast("crystal-ball")
    with pytest.raises(ValueError, match="look less far"):
        Perfect()(np.zeros((1, 3)), 1, 3)


def test_forecast_errors_cost() -> None:
    world = World(reference_day(12, nodes=6))
    exact = simulate(world, make_policy("deta"))
    misled = simulate(
        world,
        make_policy("deta"),
        Information(intensity=GaussianError(0.6, 7), harvest=GaussianError(0.6, 8)),
    )
    assert misled.objective_g >= exact.objective_g - 1e-9
    assert_conserved(misled)


def test_history_feeds_persistence() -> None:
    day = reference_day(48, nodes=3)
    half = replace(
        day,
        intensity_g_per_kwh=day.intensity_g_per_kwh[:, 24:],
        harvest_j=day.harvest_j[:, 24:],
        release_batches=day.release_batches[:, 24:],
        seconds_per_batch=day.seconds_per_batch[:, 24:],
        joules_per_batch=day.joules_per_batch[:, 24:],
        bytes_per_batch=day.bytes_per_batch[24:],
        offloadable=day.offloadable[24:],
    )
    world = World(half, day.intensity_g_per_kwh[:, :24], day.harvest_j[:, :24])
    told = Information(horizon=6, intensity=Persistence(24), harvest=Persistence(24))
    exact = simulate(world, make_policy("deta"), Information(horizon=6))
    # the reference day repeats itself, so yesterday is a perfect forecast
    assert simulate(world, make_policy("deta"), told).emissions_g == pytest.approx(exact.emissions_g)
    with pytest.raises(ValueError, match="must both be given"):
        World(half, day.intensity_g_per_kwh[:, :24])
