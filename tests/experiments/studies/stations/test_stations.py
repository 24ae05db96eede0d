"""Base stations that may sleep: what no policy may break, and the study from settings to page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.policies.local import Local, rule_decision
from coordinator.simulator.simulate import Information, simulate
from experiments.studies.stations.cells import StationCell, policy_of, refuse_broken
from experiments.studies.stations.checks import judge
from experiments.studies.stations.covered import Covered
from experiments.studies.stations.network import Network, hexagons
from experiments.studies.stations.plan import SWEPT, Extent
from experiments.studies.stations.policies import Threshold
from experiments.studies.stations.study import over_always_on, reproduce_base_stations
from experiments.studies.stations.world import day, network_of, traffic, world_of
from experiments.studies.stations.world import settings as station_settings

ROOT = Path(__file__).parents[4]


@dataclass(frozen=True)
class Sleepy:
    """Wishes at random that cells sleep: what a policy may wish."""

    name: ClassVar[str] = "sleepy"

    def init(self, seed: int) -> Any:
        return np.random.default_rng(seed)

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        awake = state.random(fleet.size) < 0.3
        none = np.zeros(fleet.size, dtype=np.int64)
        return rule_decision(fleet, none, by_design="wishes", awake=awake), state


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    needed=st.integers(1, 3),
    peak=st.floats(0.0, 1.5),
    mode=st.sampled_from(["SM1", "SM2", "SM3", "SM4"]),
    panel_w=st.sampled_from([0.0, 800.0]),
    battery_wh=st.sampled_from([0.0, 1500.0]),
)
def test_no_wish_breaks_traffic_coverage_or_energy(
    seed: int, needed: int, peak: float, mode: str, panel_w: float, battery_wh: float
) -> None:
    given_ = station_settings(
        {
            "cells.needed_neighbours": needed,
            "traffic.peak_fraction": peak,
            "sleep.mode": mode,
            "site.panel_w": panel_w,
            "site.battery_wh": battery_wh,
        }
    )
    network, world = network_of(given_), world_of(given_, day(6), seed, hours=10)
    run = simulate(world, Covered(Sleepy(), network), Information(1), seed)
    refuse_broken(run, network.covers)
    fleet = world.fleet
    offered = np.hstack([fleet.backlog_batches, fleet.release_batches]).T
    # Carried and blocked are what was offered, cell by cell: by owner what stayed, moved or was blocked.
    assert (run.executed_batches.sum(axis=1) + run.unserved_batches.sum(axis=1) == offered.sum(axis=1)).all()
    # Coverage, from the definition.
    near = network.neighbours
    for awake in run.awake:
        assert all((near[cell] & awake).sum() >= needed for cell in np.flatnonzero(~awake))
    # A sleeping cell runs nothing, and no cell carries more than it can.
    assert not run.executed_batches[~run.awake].any()
    assert run.executed_batches.max() <= 100
    # The battery's book.
    before = np.vstack([fleet.battery_j, run.battery_j[:-1]])
    eta_c, eta_d = fleet.charge_efficiency, fleet.discharge_efficiency
    stored = before + eta_c * run.charge_j - run.discharge_j / eta_d
    assert np.allclose(stored, run.battery_j, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_route_carries_all_traffic_to_awake_neighbours_with_room(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = Network(hexagons(1), 1)
    awake = rng.random(7) < 0.6
    offered, capacity = rng.integers(0, 60, 7), np.full(7, 60)
    moved = network.route(awake, offered, capacity)
    if moved is None:
        asleep = ~awake
        reached = network.neighbours[asleep].any(axis=0) & awake
        spare = (capacity - offered)[reached].sum()
        stuck = asleep & (offered > 0)
        assert stuck.any()
        # Where all sleeping cells have all spare neighbours together, only room can be what is missing.
        if all((network.neighbours[cell] & awake).sum() == reached.sum() for cell in np.flatnonzero(stuck)):
            assert offered[asleep].sum() > spare
        return
    assert (moved.sum(axis=1) == np.where(awake, 0, offered)).all()
    assert (moved.sum(axis=0) <= np.where(awake, capacity - offered, 0)).all()
    assert not moved[~network.neighbours].any()


def test_hexagons_have_six_neighbours_inside_and_three_at_a_corner() -> None:
    near = hexagons(1)
    assert len(near) == 7
    assert sorted(near.sum(axis=1).tolist()) == [3, 3, 3, 3, 3, 3, 6]
    assert len(hexagons(2)) == 19
    with pytest.raises(ValueError, match="needed is 0"):
        Network(near, 0)
    with pytest.raises(ValueError, match="symmetric"):
        Network(np.triu(near), 1)


def test_a_cell_with_too_few_neighbours_never_sleeps() -> None:
    given_ = station_settings({"cells.needed_neighbours": 4, "traffic.peak_fraction": 0.0})
    run = simulate(
        world_of(given_, day(3), 0, hours=3), Covered(Sleepy(), network_of(given_)), Information(1), 1
    )
    corner = network_of(given_).neighbours.sum(axis=1) == 3
    assert run.awake[:, corner].all()


def test_the_threshold_keeps_a_cell_as_it_is_between_its_two_shares() -> None:
    given_ = station_settings({"traffic.noise_fraction": 0.0})
    world = world_of(given_, day(3), 0, hours=2)
    policy = Threshold(0.2, 0.5)
    share = world.fleet.backlog_batches[:, 0] / 100
    awake_before, _ = policy.decide(world.fleet, None)
    assert (awake_before.awake == (share >= 0.2)).all()
    with pytest.raises(ValueError, match=r"sleep_below_fraction is 0\.6"):
        Threshold(0.6, 0.5)


def test_sleep_saves_energy_and_blocks_nothing_where_neighbours_have_room() -> None:
    given_ = station_settings()
    network, world = network_of(given_), world_of(given_, day(12), 0)
    runs = {
        policy.name: simulate(world, Covered(policy, network), Information(1))
        for policy in (Local(), Threshold())
    }
    assert runs["threshold"].demand_j.sum() < runs["local"].demand_j.sum()
    assert runs["threshold"].unserved_batches.sum() == runs["local"].unserved_batches.sum() == 0


def test_traffic_is_the_same_for_a_seed_and_follows_its_peaks() -> None:
    given_ = station_settings({"traffic.noise_fraction": 0.0})
    offered = traffic(given_, 7, 24, 3)
    assert (offered == traffic(given_, 7, 24, 3)).all()
    assert (offered.argmax(axis=1) == np.where(np.arange(7) % 2 == 0, 21, 14)).all()
    assert offered.max() == 60


def test_a_key_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no traffic\.peak"):
        station_settings({"traffic.peak": 1.0})
    for changes in SWEPT.values():
        for change in changes.values():
            assert station_settings(dict(change))


def test_a_policy_of_your_own_takes_its_place_by_name() -> None:
    policy, information = policy_of("coordinator.policies.local:Local", station_settings())
    assert policy.name == "local"
    assert information.horizon == 3


def days_of(grams: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    """A row for each policy and day, all alike but for grams."""
    same = {
        "energy_j": 1.0,
        "offered_units": 10,
        "carried_units": 10,
        "blocked_units": 0,
        "asleep_fraction": 0.5,
    }
    return pd.DataFrame(
        [
            {"policy": policy, "month": 3, "seed": seed, "emissions_g": value} | same
            for policy, values in grams.items()
            for seed, value in enumerate(values)
        ]
    )


def test_policies_are_compared_over_the_same_days() -> None:
    days = days_of(
        {
            "always-on": (100.0, 200.0, 300.0),
            "threshold": (80.0, 160.0, 240.0),
            "deta": (60.0, 121.0, 179.0),
            "learned": (59.0, 122.0, 178.0),
        }
    )
    found = judge(over_always_on(days, ["policy"]), days, days)
    assert {name: one["verdict"] for name, one in found.items()} == {
        "conserved": "met",
        "saves": "met",
        "blocks-no-more": "met",
        "deta-first": "met",
        "learned-threshold": "met",
        "learned-deta": "not met",
    }
    # Fewer grams in the sum (359 against 360), but not by more than days differ.
    assert "0.3 % of DETA's grams less" in found["learned-deta"]["ours"]
    assert found["learned-deta"]["ours"].endswith("cannot be told apart")
    assert found["saves"]["figure"]["ours"] == pytest.approx(0.2)


def test_a_policy_that_emits_more_than_always_on_on_one_day_is_found() -> None:
    days = days_of({"always-on": (100.0, 200.0), "threshold": (101.0, 100.0)})
    found = judge(over_always_on(days, ["policy"]), days, days)
    assert found["saves"]["verdict"] == "not met"


def documented() -> set[str]:
    """Keys that docs/command-line.md promises of the study."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    found = re.search(r"\*\*`reproduce base-stations`\*\*(.*?)\n\n", text, re.DOTALL)
    assert found
    return set(re.findall(r"`(\w+)`", found[1].partition(":")[2]))


def test_one_day_from_settings_to_page(tmp_path: Path) -> None:
    extent = Extent(((3, 0),), ((3, 0),), ("always-on", "threshold"), ("sleep mode", "panel"))
    report = reproduce_base_stations(
        tmp_path / "study", False, None, 1, cache=tmp_path / "cache", extent=extent
    )
    assert json.loads((tmp_path / "study" / "checks.json").read_text()) == json.loads(json.dumps(report))
    assert set(report) - {"checks", "run"} <= documented()
    for path in (*report["tables"].values(), *report["figures"].values(), report["page"]):
        assert Path(path).stat().st_size > 0
    assert {name: check["verdict"] for name, check in report["checks"].items()} == dict.fromkeys(
        ("conserved", "saves", "blocks-no-more"), "met"
    )
    depth = {row["value"]: row["energy_j"] for row in report["sweep"] if row["policy"] == "threshold"}
    assert depth["SM1"] > depth["SM2"] > depth["SM3"]
    again = reproduce_base_stations(
        tmp_path / "study", False, None, 1, cache=tmp_path / "cache", extent=extent
    )
    assert again["computed"] == 0


def test_deta_with_sleep_keeps_what_no_policy_may_break(tmp_path: Path) -> None:
    changes = (("policies.horizon_slots", 1),)
    deta, always = (StationCell(name, 6, 0, changes).compute(tmp_path) for name in ("deta", "always-on"))
    assert deta["carried_units"] + deta["blocked_units"] == deta["offered_units"] == always["offered_units"]
    assert deta["energy_j"] < always["energy_j"]
