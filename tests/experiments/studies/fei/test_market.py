"""Fleets of Fig. 5: invariants of the one model on them."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.fei import market
from experiments.studies.fei.market import (
    DAYS,
    Fig5Cell,
    Setting,
    SurfaceCell,
    Work,
    day_of_year,
    drawn_zones,
    fleet,
    simulate_policies,
    surface_points,
)

WORK = Work(
    seconds_per_batch=60.0, joules_per_batch=180.0, bytes_per_batch=40_000.0, batches_per_training=600.0
)


def test_a_fleet_grows_by_adding_servers() -> None:
    small, large = fleet(2, 3, WORK, Setting()), fleet(5, 3, WORK, Setting())
    assert large.node_ids[:2] == small.node_ids
    assert (large.harvest_j[:2] == small.harvest_j).all()
    assert sorted(drawn_zones(3)) == list(range(10))


def test_servers_stand_in_the_zones_that_were_chosen() -> None:
    zones = tuple(reversed(market.ZONES))
    cell = Fig5Cell(3, 0, WORK, Setting(), zones)
    seen = fleet(cell.servers, cell.seed, cell.work, cell.setting, cell.zones)
    expected = [zones[z] for z in drawn_zones(0)[:3]]
    assert [name.rpartition("-")[0] for name in seen.node_ids] == expected
    assert cell.key() != Fig5Cell(3, 0, WORK, Setting()).key()


def test_servers_are_half_busy() -> None:
    seen = fleet(3, 0, WORK, Setting())
    assert (seen.backlog_batches.sum(axis=1) * WORK.seconds_per_batch == 0.5 * seen.slot_s).all()


def test_days_differ_and_lie_in_all_seasons() -> None:
    assert len({day_of_year(seed) for seed in range(100)}) == 100
    for seeds in (5, 10, 20):
        days = sorted(day_of_year(seed) for seed in range(seeds))
        gaps = np.diff([*days, days[0] + DAYS])
        assert gaps.max() < 2.0 * DAYS / seeds


def test_work_longer_than_half_a_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than half a slot"):
        fleet(1, 0, Work(4000.0, 1.0, 1.0, 1.0), Setting())


def test_policies_keep_the_papers_order() -> None:
    grams = simulate_policies(Fig5Cell(3, 1, WORK, Setting()))["grams"]
    assert grams["deta"] <= min(grams["det"], grams["dat"]) * 1.001
    assert max(grams["det"], grams["dat"]) <= grams["local"] * 1.001
    assert grams["local"] <= grams["grid"]


def test_the_surface_is_monotone_in_caps_and_loss() -> None:
    settings = tuple(
        Setting(loss_fraction=loss, cap_fraction=cap) for loss in (0.0, 0.3) for cap in (0.25, 0.5, 1.0)
    )
    points = surface_points(SurfaceCell(3, 1, WORK, settings))["points"]
    by = {(p["loss_fraction"], p["cap_fraction"]): p["deta_g"] for p in points}
    for loss in (0.0, 0.3):
        assert by[loss, 0.25] >= by[loss, 0.5] - 1e-9 >= by[loss, 1.0] - 2e-9
    for cap in (0.25, 0.5, 1.0):
        assert by[0.0, cap] <= by[0.3, cap] + 1e-9
    for point in points:
        assert point["deta_g"] <= point["local_lp_bound_g"] + 1e-9
        assert point["local_lp_bound_g"] <= point["local_g"] * (1 + 1e-6)
        assert point["local_g"] <= point["grid_g"]
        assert point["deta_bound_g"] == point["deta_g"]


def test_the_surface_with_sleep_lies_between_plan_and_bound() -> None:
    settings = tuple(
        Setting(cap_fraction=cap, deadline_slots=slack, sleep=sleep)
        for cap, slack, sleep in ((0.5, 2, False), (0.5, 2, True), (0.5, 0, False), (0.5, 0, True))
    )
    awake, asleep, held, cannot = surface_points(SurfaceCell(3, 1, WORK, settings))["points"]
    assert asleep["deta_bound_g"] <= asleep["deta_g"] < awake["deta_g"]
    assert asleep["deta_bound_g"] <= asleep["local_lp_bound_g"] < awake["local_lp_bound_g"]
    # Caps of 50 % and no slack: a window is one slot, so the bound itself says that no node can sleep.
    assert cannot["deta_bound_g"] == pytest.approx(held["deta_g"], rel=1e-6)
    assert cannot["deta_g"] == pytest.approx(held["deta_g"], rel=1e-6)
