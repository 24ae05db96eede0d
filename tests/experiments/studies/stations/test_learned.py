"""The learned policy of base stations: what it sees, what it decides, and that its training is what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carbon_data.types import DataError
from coordinator.simulator.simulate import Information, simulate
from experiments.studies.stations.cells import refuse_broken
from experiments.studies.stations.covered import Covered
from experiments.studies.stations.learned import SCORES, SEEN, SHIPPED, Learned, seen
from experiments.studies.stations.plan import MONTHS as JUDGED
from experiments.studies.stations.train import MONTHS
from experiments.studies.stations.world import day, network_of, settings, world_of

NETWORK = network_of(settings())


def test_what_a_cell_sees_by_hand() -> None:
    world = world_of(settings({"traffic.noise_fraction": 0.0}), day(6), 0)
    fleet = replace(world.fleet, battery_j=np.linspace(0.0, 0.6, 7) * world.fleet.battery_capacity_j)
    found = dict(zip(SEEN, seen(fleet, NETWORK).T, strict=True))
    idle_j = 109.0 * 3600.0
    middle = int(NETWORK.neighbours.sum(axis=1).argmax())
    around = NETWORK.neighbours[middle]
    traffic = fleet.backlog_batches[:, 0] / 100.0
    assert found["traffic, share of what a cell carries"] == pytest.approx(traffic)
    assert found["mean traffic of the next 6 hours, likewise"] == pytest.approx(
        fleet.release_batches[:, :6].mean(axis=1) / 100.0
    )
    assert found["mean traffic of its neighbours now, likewise"][middle] == pytest.approx(
        traffic[around].mean()
    )
    assert found["state of charge"] == pytest.approx(np.linspace(0.0, 0.6, 7))
    assert found["mean state of charge of its neighbours"][middle] == pytest.approx(
        np.linspace(0.0, 0.6, 7)[around].mean()
    )
    assert found["mean harvest of the next 6 hours, likewise"] == pytest.approx(
        fleet.harvest_j[:, 1:7].mean(axis=1) / idle_j
    )
    intensity = fleet.intensity_g_per_kwh
    assert found["intensity now, over the mean of the hours known, less 1"] == pytest.approx(
        intensity[:, 0] / intensity.mean(axis=1) - 1.0
    )
    assert found["hours left, share of a day"] == pytest.approx(1.0)


def test_scores_say_who_sleeps_first_and_what_batteries_give() -> None:
    fleet = world_of(settings(), day(6), 0).fleet
    weights = np.zeros((len(SCORES), len(SEEN)))
    weights[:, 0] = -1.0, 0.5
    awake, _ = Learned(NETWORK, weights).decide(fleet, None)
    assert awake.awake.all()
    need_j = 3600.0 * 109.0 + fleet.backlog_batches[:, 0] * fleet.joules_per_batch[:, 0]
    assert awake.discharge_j == pytest.approx(0.5 * need_j)
    # The cell with the most charge sleeps first; the network stops before all do.
    charged = replace(fleet, battery_j=np.linspace(0.1, 0.7, 7) * fleet.battery_capacity_j)
    weights[:, 0] = 1.0, 2.0
    weights[0, SEEN.index("state of charge")] = 1.0
    asleep, _ = Learned(NETWORK, weights).decide(charged, None)
    assert not asleep.awake[6]
    assert asleep.awake.any()
    assert NETWORK.covers(asleep.awake)
    assert asleep.discharge_j == pytest.approx(fleet.battery_capacity_j)
    weights[1, 0] = -3.0
    assert not Learned(NETWORK, weights).decide(charged, None)[0].discharge_j.any()


def test_the_network_lets_sleep_whom_the_policy_chose() -> None:
    """Its choice is one that the network allows: whatever the weights, no cell that it names is kept awake."""
    rng = np.random.default_rng(3)
    for seed in range(12):
        fleet = world_of(settings({"traffic.peak_fraction": 0.8}), day(9), seed).fleet
        policy = Learned(NETWORK, rng.normal(size=(len(SCORES), len(SEEN))))
        wish, _ = policy.decide(fleet, None)
        done, _ = Covered(policy, NETWORK).decide(fleet, None)
        assert done.awake.tolist() == wish.awake.tolist()
        assert done.discharge_j.tolist() == wish.discharge_j.tolist()


def test_what_ships_keeps_what_no_policy_may_break() -> None:
    run = simulate(
        world_of(settings(), day(9), 3), Covered(Learned.shipped(NETWORK), NETWORK), Information(1)
    )
    refuse_broken(run, NETWORK.covers)
    assert not run.awake.all()


def test_training_saw_other_months_than_the_study() -> None:
    record = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert not set(record["months"]) & set(JUDGED)
    assert record["months"] == list(MONTHS)


def test_weights_of_another_version_are_refused(tmp_path: Path) -> None:
    record = json.loads(SHIPPED.read_text(encoding="utf-8"))
    (tmp_path / "old.json").write_text(json.dumps(record | {"seen": ["one"]}))
    with pytest.raises(DataError, match="train again"):
        Learned.shipped(NETWORK, tmp_path / "old.json")
    with pytest.raises(ValueError, match=r"weights of shape \(1, 13\)"):
        Learned(NETWORK, np.zeros((1, 13)))
