"""Worlds that share nothing, tables by hand, the record that ships, and a training of one rollout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coordinator.policies.learned.network import Network
from coordinator.policies.learned.observation import FLEET, OBSERVED, OWN
from experiments.studies.forecasts.shares import Share, share
from experiments.studies.learned import figures
from experiments.studies.learned.checks import judge
from experiments.studies.learned.page import page_of
from experiments.studies.learned.spread import by_training, spread_of, trainings_of
from experiments.studies.learned.tables import difference, of_deta, over, policies_of
from experiments.studies.learned.trainings import trainings
from experiments.studies.learned.worlds import CHOOSING, TOGETHER, TRAINING, UNSEEN, side_by_side, world
from tests.experiments.studies.learned.by_hand import found_by_hand


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
    record = trainings()[0].record
    assert record["zones"] == list(TRAINING.zones)
    days = {day.date().isoformat() for day in TRAINING.days}
    assert set(record["days"]) <= days
    assert record["observed"] == [*OWN, *FLEET]
    assert record["curve"][-1]["steps"] == record["steps"]
    assert {"seed", "date", "versions", "settings", "command"} <= record.keys()


def alone_of(worlds: pd.DataFrame) -> pd.DataFrame:
    """The training that ships and no other."""
    return trainings_of(by_training(worlds, trainings()[:1], [], []), trainings()[:1])


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
    assert low is not None
    assert high is not None
    assert low < mean < high


def test_shares_of_detas_gain_have_intervals_over_worlds() -> None:
    worlds = found_by_hand()
    own = of_deta(worlds, "rl", "unseen", 6)
    # Gains 30 and 10 of DETA's 50 each: the residuals are 10 and -10.
    assert (own.value, own.days) == (pytest.approx(0.4), 2)
    assert own.high == pytest.approx(0.4 + 12.706 * 0.2, rel=1e-4)
    row = next(
        r for r in policies_of(worlds).to_dict("records") if (r["part"], r["policy"]) == ("training", "rl")
    )
    assert row["of_deta_fraction"] == pytest.approx(0.5)
    assert np.isnan([row["of_deta_low"], row["of_deta_high"], row["regret_low"]]).all()


def test_a_share_over_another_covers_the_truth_as_often_as_its_interval_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(2000):
        found = over(
            share(rng.normal(0.8, 0.05, 12), np.ones(12)), share(rng.normal(0.9, 0.02, 4), np.ones(4))
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.8 / 0.9 <= found.high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)


def test_a_share_over_another_without_spread_or_interval() -> None:
    sure, alone = Share(0.5, 0.5, 0.5, 3), Share(0.5, None, None, 1)
    assert over(sure, sure) == Share(1.0, 1.0, 1.0, 3)
    assert over(sure, alone) == Share(1.0, None, None, 1)


def test_checks_say_what_is_not_met() -> None:
    worlds = found_by_hand()
    alone = alone_of(worlds)
    found = {name: one["verdict"] for name, one in judge(worlds, policies_of(worlds), alone, 6, 12).items()}
    assert found == {
        "better-than-local": "not met",
        "never-worse": "met",
        "of-detas-gain": "not met",
        "better-than-auction": "not met",
        "better-than-deta": "not met",
        "generalises": "not met",
        "more-nodes": "not met",
        "each-training": "not met",
    }


def test_the_page_shows_figures_checks_and_the_training() -> None:
    worlds, record = found_by_hand(), trainings()[0].record
    policies, alone = policies_of(worlds), alone_of(worlds)
    drawings = [figures.by_world(worlds[worlds["nodes"] == 6]), figures.curve(pd.DataFrame(record["curve"]))]
    shown = [(each, each.svg()) for each in drawings]
    checks = judge(worlds, policies, alone, 6, 12)
    page = page_of({"checks": checks}, policies, (alone, spread_of(alone)), shown, record)
    assert "What a learned policy is worth" in page
    assert "Worlds that the training never saw" in page
    assert "seed 0 (ships)" in page
    assert "20.0 % (-107.1 to 147.1)" in page
    assert "<td>50.0 %</td>" in page


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
