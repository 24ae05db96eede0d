"""The horizon simulator: conservation, agreement with a node's own battery, regret, forecasts."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.fleet import Fleet
from coordinator.market.forecast import GaussianError, Persistence
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.solve import SolverOptions
from coordinator.policies.registry import POLICIES, make_policy
from coordinator.simulator.regret import oracle_bound
from coordinator.simulator.simulate import Information, Run, World, first_backlog, simulate

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
            return decision.with_dense(decision.batches * 99), None

    with pytest.raises(ValueError, match="greedy breaks a limit in slot 0"):
        simulate(World(reference_day(2, nodes=2)), Greedy())


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


class Watcher:
    """LOCAL's decisions; keeps every fleet that it was shown."""

    name = "watcher"

    def __init__(self, needs_truth: bool = False) -> None:
        self.needs_truth, self.seen = needs_truth, list[Fleet]()

    def init(self, seed: int) -> None:
        return None

    def decide(self, fleet: Fleet, state: Any) -> Any:
        self.seen.append(fleet)
        return make_policy("local").decide(fleet, None)


@pytest.mark.parametrize("knows", [False, True])
def test_a_policy_is_shown_the_fleet_of_its_slot_and_nothing_else(knows: bool) -> None:
    """Six slots after two of history; the policy decides two, three are known, a day has two. Every field in every
    slot; one that knows the future decides to the end."""
    rng = np.random.default_rng(2)
    fleet = random_fleet(
        5,
        3,
        6,
        deadline_slots=2,
        model_j=rng.uniform(1, 9, (3, 6)),
        request_j=rng.uniform(1, 9, (3, 6)),
        release_last_slot=np.array([1, 3, 2, 3, 5, 7]),
        bytes_per_batch=rng.uniform(1, 9, 6),
        offloadable=np.array([True, False, True, True, False, True]),
        seconds_per_batch=rng.uniform(1e-3, 2e-3, (3, 6)),
        joules_per_batch=rng.uniform(1, 9, (3, 6)),
        stored_value_g_per_j=rng.uniform(1e-5, 1e-4, 3),
    )
    before = rng.uniform(5, 900, (2, 3, 2))
    world = World(fleet, before[0], before[1])
    told = Information(2, Persistence(2), Persistence(2), value_slots=3, day_slots=2)
    watcher = Watcher(knows)
    run = simulate(world, watcher, told)
    assert len(watcher.seen) == 6
    intensity, harvest = (
        np.hstack(parts) for parts in zip(before, (fleet.intensity_g_per_kwh, fleet.harvest_j), strict=True)
    )
    batches, room = first_backlog(fleet).batches, first_backlog(fleet).room
    for slot, shown in enumerate(watcher.seen):
        decided = 6 - slot if knows else min(2, 6 - slot)
        known = min(6 - slot, max(decided, 3))
        window, end = slice(slot, slot + known), slot + known
        seen = [told.intensity(intensity, slot + 2, known), told.harvest(harvest, slot + 2, known)]
        worth = fleet.discharge_efficiency * seen[0][:, -2:].mean(axis=1) / 3.6e6
        expected = {
            "slot": slot,
            "decision_slots": decided,
            "later_slots": 6 - end,
            "end_value_g_per_j": fleet.stored_value_g_per_j,
            "day_slots": 2,
            "harvest_spread_fraction": 0.0 if knows else 0.3,
            "intensity_g_per_kwh": seen[0],
            "harvest_j": seen[1],
            "backlog_batches": batches,
            "offload_room_batches": room,
            "release_batches": fleet.release_batches[:, slot : end - 1],
            "release_last_slot": [max(last - slot, 0) for last in (1, 3, 2, 3, 5, 7)[window]],
            "battery_j": fleet.battery_j if slot == 0 else run.battery_j[slot - 1],
            "stored_value_g_per_j": worth if end < 6 else fleet.stored_value_g_per_j,
            "asleep": np.zeros(3, dtype=bool),
            "participations": fleet.participations + (run.executed_batches[:slot] > 0).sum(axis=0),
            "harvested_before_j": run.harvest_j[:slot].sum(axis=0),
            "given_before_j": run.export_j[:slot].sum(axis=0),
            "true_intensity_g_per_kwh": fleet.intensity_g_per_kwh[:, window] if knows else None,
            "true_harvest_j": fleet.harvest_j[:, window] if knows else None,
        }
        for name in ("seconds_per_batch", "joules_per_batch", "model_j", "request_j"):
            expected[name] = getattr(fleet, name)[:, window]
        for name in ("bytes_per_batch", "offloadable"):
            expected[name] = getattr(fleet, name)[window]
        for spec in fields(Fleet):
            wanted = expected.get(spec.name, getattr(fleet, spec.name))
            np.testing.assert_equal(getattr(shown, spec.name), wanted, err_msg=f"{spec.name} in slot {slot}")
        done = run.executed_batches[slot]
        for node in range(3):  # LOCAL runs all there is as long as there is time
            assert done[node] == batches[node].sum()
        batches, room = np.zeros((2, 3, 3), dtype=np.int64)
        if slot < 5:
            column = min(min(slot + 1 + 2, (1, 3, 2, 3, 5, 7)[slot + 1], 5) - slot - 1, 2)
            released = fleet.release_batches[:, slot]
            batches[:, column] = released
            room[:, column] = np.floor(fleet.limits.offload_cap_fraction * released + 1e-9)


def test_a_policy_is_shown_who_can_sleep_from_its_slot_on() -> None:
    can = np.random.default_rng(3).random((3, 6)) < 0.5
    fleet = random_fleet(5, 3, 6, may_sleep=True, can_sleep=can)
    watcher = Watcher(False)
    simulate(World(fleet), watcher, Information(2, value_slots=3, day_slots=2))
    for slot, shown in enumerate(watcher.seen):
        assert shown.sleepers_by_slot().tolist() == can[:, slot : slot + 3].tolist()
