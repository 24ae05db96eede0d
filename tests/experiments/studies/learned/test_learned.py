"""Worlds that share nothing, tables by hand, the record that ships, and a training of one rollout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coordinator.policies.learned.network import Network
from coordinator.policies.learned.observation import FLEET, OBSERVED, OWN
from experiments.studies.learned import figures
from experiments.studies.learned.cells import POLICIES, WorldCell
from experiments.studies.learned.checks import judge
from experiments.studies.learned.page import page_of
from experiments.studies.learned.study import training_record
from experiments.studies.learned.tables import difference, policies_of, worlds_of
from experiments.studies.learned.worlds import CHOOSING, TOGETHER, TRAINING, UNSEEN, side_by_side, world


def test_no_zone_and_no_day_is_in_both_parts() -> None:
    assert not set(TRAINING.zones) & set(UNSEEN.zones)
    assert not set(TRAINING.days) & set(UNSEEN.days)
    assert min(len(TRAINING.zones), len(UNSEEN.zones)) >= 12


def test_worlds_to_choose_on_are_neither_of_training_nor_judged_on() -> None:
    assert not set(CHOOSING.days) & (set(TRAINING.days) | set(UNSEEN.days))
    assert not set(CHOOSING.zones) & set(UNSEEN.zones)


def test_a_group_of_training_has_the_nodes_of_its_worlds_and_one_day() -> None:
    group = side_by_side(TRAINING, 2, nodes=3)
    worlds = [world(TRAINING, 2 * TOGETHER + k, nodes=3) for k in range(TOGETHER)]
    assert [node.model_dump() for node in group.nodes] == [
        node.model_dump() for one in worlds for node in one.nodes
    ]
    assert {one.time.start for one in worlds} == {group.time.start}
    assert len({world(TRAINING, TOGETHER * k).time.start for k in range(8)}) > 1


def test_a_world_is_drawn_by_its_number() -> None:
    one = world(UNSEEN, 3)
    assert one == world(UNSEEN, 3)
    assert one != world(UNSEEN, 4)
    assert {node.zone for node in one.nodes} <= set(UNSEEN.zones)
    assert one.time.start in UNSEEN.days
    assert len(world(TRAINING, 0, nodes=4).nodes) == 4


def test_the_record_that_ships_says_how_the_weights_came_about() -> None:
    record = training_record()
    assert record["zones"] == list(TRAINING.zones)
    days = {day.date().isoformat() for day in TRAINING.days}
    assert set(record["days"]) <= days
    assert record["observed"] == [*OWN, *FLEET]
    assert record["curve"][-1]["steps"] == record["steps"]
    assert {"seed", "date", "versions", "settings", "command"} <= record.keys()


def found_by_hand() -> pd.DataFrame:
    """Two unseen worlds of 6 nodes, one of 12, one of training; grams of LOCAL 100, of the optimum 50."""
    cells = [
        WorldCell("unseen", 0, 6),
        WorldCell("unseen", 1, 6),
        WorldCell("unseen", 0, 12),
        WorldCell("training", 0, 6),
    ]
    grams = [(60.0, 50.0, 70.0), (70.0, 50.0, 90.0), (60.0, 50.0, 80.0), (60.0, 50.0, 75.0)]
    results = [
        {
            "emissions_g": dict(zip(POLICIES, (100.0, *each), strict=True)),
            "bound_g": 50.0,
            "zones": ["FR"],
            "day": "2022-01-02",
        }
        for each in grams
    ]
    return worlds_of(cells, results)


def test_policies_are_means_over_worlds() -> None:
    worlds = found_by_hand()
    rows = {(r["part"], r["nodes"], r["policy"]): r for r in policies_of(worlds).to_dict("records")}
    own = rows["unseen", 6, "rl"]
    assert own["reduction_fraction"] == pytest.approx(0.2)
    assert own["regret_fraction"] == pytest.approx(0.3)
    assert own["of_deta_fraction"] == pytest.approx(0.4)
    assert (own["worlds"], own["worse_worlds"]) == (2, 0)
    # Student's t of one degree of freedom: 12.706 times the standard error of 10 and 30 %
    assert own["reduction_high"] == pytest.approx(0.2 + 12.706 * 0.1, rel=1e-4)
    mean, low, high = difference(worlds, "rl", "auction", "unseen", 6)
    assert mean == pytest.approx(-0.15)
    assert low < mean < high


def test_checks_say_what_is_not_met() -> None:
    worlds = found_by_hand()
    found = {name: one["verdict"] for name, one in judge(worlds, policies_of(worlds), 6, 12).items()}
    assert found == {
        "better-than-local": "not met",
        "never-worse": "met",
        "of-detas-gain": "not met",
        "better-than-auction": "not met",
        "better-than-deta": "not met",
        "generalises": "not met",
        "more-nodes": "not met",
    }


def test_the_page_shows_figures_checks_and_the_training() -> None:
    worlds, record = found_by_hand(), training_record()
    policies = policies_of(worlds)
    drawings = [figures.by_world(worlds[worlds["nodes"] == 6]), figures.curve(pd.DataFrame(record["curve"]))]
    shown = [(each, each.svg()) for each in drawings]
    page = page_of({"checks": judge(worlds, policies, 6, 12)}, policies, shown, record)
    assert "What a learned policy is worth" in page
    assert "Worlds that the training never saw" in page
    assert "20.0% (-107.1 to 147.1)" in page


def test_the_trained_network_is_the_one_that_decides(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="the extra rl is not installed: pip install -e '.[rl]'")
    import torch
    from gymnasium import spaces
    from safetensors.numpy import save_file

    from coordinator.policies.learned.action import ACTIONS
    from experiments.studies.learned.network import NodePolicy

    seen = spaces.Box(-10, 10, (3, OBSERVED), np.float32)
    policy = NodePolicy(seen, spaces.Box(-1, 1, (3, ACTIONS), np.float32), lambda _: 1e-3)
    save_file(policy.weights(), tmp_path / "w.safetensors")
    rows = np.random.default_rng(2).normal(size=(3, OBSERVED)).astype(np.float32)
    with torch.no_grad():
        mean = policy.get_distribution(torch.from_numpy(rows)[None]).distribution.mean.numpy()
    assert Network.read(tmp_path / "w.safetensors").action(rows) == pytest.approx(
        mean.reshape(3, ACTIONS), abs=1e-5
    )
