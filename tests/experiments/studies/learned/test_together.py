"""Worlds side by side have the grams of each alone, and PPO learns on them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="the extra rl is not installed: pip install -e '.[rl]'")

from stable_baselines3 import PPO

from coordinator.policies.learned.action import ACTIONS, decision_of
from coordinator.policies.learned.observation import OBSERVED
from coordinator.policies.local import local_decision
from experiments.environments.world import FleetWorld
from experiments.errors import UsageError
from experiments.scenario.model import parse_scenario
from experiments.studies.learned.network import NodePolicy
from experiments.studies.learned.together import Together, grams_of
from tests.experiments.environments.told import numbers

SLOTS = 5
SUNNY = (("DE", 30.0, 9.0, 0.3), ("FR", 12.0, 0.0, 0.6), ("SE-SE3", 0.0, 4.0, 0.8))
DARK = (("PL", 0.0, 12.0, 0.5), ("US-NW-SCL", 0.0, 20.0, 0.2), ("FR", 0.0, 6.0, 0.9))
"""Zone, panel, battery and demand of three nodes; without panels, for clouds depend on a node's place."""


def world(nodes: tuple[tuple[str, float, float, float], ...], fleets: int = 1) -> FleetWorld:
    parts = [
        'name = "beside"\npolicy = "local"\nseed = 4\n[task]\nname = "none"\n[fleet]\nkind = "virtual"',
        f"[stages]\npreparation = 0\ndevelopment = {SLOTS}\napplication = 0\nrecycling = 0",
        "[time]\nstart = 2022-06-21T09:00:00Z\n[tolerance]\nunserved_fraction = 1.0",
    ]
    for zone, peak_w, capacity_wh, busy in nodes:
        parts += [
            f'[[nodes]]\nzone = "{zone}"\n[nodes.harvest]\nkind = "pv"\npeak_w = {peak_w}',
            f"[nodes.battery]\ncapacity_wh = {capacity_wh}\ninitial_fraction = 0.7",
            f"[nodes.demand]\nbusy_fraction = {busy}",
        ]
    return FleetWorld(parse_scenario("\n".join(parts)), fleets)


def test_rewards_are_those_of_each_world_alone() -> None:
    env, alone = Together([world(SUNNY + DARK, 2)], seed=0), [world(SUNNY), world(DARK)]
    local_g = []
    for each in alone:
        each.restart()
        local_g.append([grams_of(each.step(local_decision(each.fleet)), 1)[0] for _ in range(SLOTS)])
        each.restart()
    seen = env.reset()
    assert seen.shape == (2, 3, OBSERVED)
    for slot in range(SLOTS):
        for number, each in enumerate(alone):
            assert seen[number] == pytest.approx(each.observed(), rel=1e-5, abs=1e-6)
        action = numbers(9, slot, 6, ACTIONS).reshape(2, 3, ACTIONS)
        seen, reward, over, infos = env.step(action)
        assert (over == (slot == SLOTS - 1)).all()
        assert len(infos) == 2
        for number, each in enumerate(alone):
            grams = grams_of(each.step(decision_of(each.fleet, action[number], each.room)), 1)[0]
            local = local_g[number]
            assert reward[number] == pytest.approx((local[slot] - grams) / np.mean(local), rel=1e-4, abs=1e-5)


def test_every_group_comes_once_before_one_comes_again() -> None:
    groups = [world(SUNNY + DARK, 2), world(DARK + SUNNY, 2), world(DARK + DARK, 2)]
    env = Together(groups, seed=3)
    drawn = []
    for _ in range(6):
        env.reset()
        drawn.append(groups.index(env._now))
    assert sorted(drawn[:3]) == sorted(drawn[3:]) == [0, 1, 2]


def test_ppo_learns_a_rollout_and_does_the_same_for_a_seed() -> None:
    found = []
    for _ in range(2):
        env = Together([world(SUNNY + DARK, 2)], seed=1)
        model = PPO(NodePolicy, env, seed=5, device="cpu", n_steps=2 * SLOTS, batch_size=10, n_epochs=1)
        before = model.policy.weights()
        model.learn(2 * SLOTS * 2)
        after = model.policy.weights()
        assert any((before[name] != after[name]).any() for name in before)
        found.append(after)
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_fleets_of_different_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="3 nodes in 2 fleets"):
        world(SUNNY, 2)
    with pytest.raises(ValueError, match="allowed is one size"):
        Together([world(SUNNY), world(SUNNY + DARK)], seed=0)
