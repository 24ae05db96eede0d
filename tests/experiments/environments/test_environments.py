"""Environments against runs, against their packages' own checks, and by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("gymnasium", reason="the extra env is not installed: pip install -e '.[env]'")
pytest.importorskip("pettingzoo", reason="the extra env is not installed: pip install -e '.[env]'")

from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test

import detabed.env
from coordinator.policies.learned.action import ACTIONS
from coordinator.policies.local import local_decision
from experiments.environments.coordinator_env import CoordinatorEnv
from experiments.environments.market_env import BIDS, MarketEnv
from experiments.environments.world import FleetWorld, Outcome
from experiments.errors import UsageError
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from tests.experiments.environments.told import HERE, numbers, scenario

SEEDS = range(6)
BY_SLOT = {
    "demand_j": "demand_uj",
    "grid_j": "grid_uj",
    "harvest_j": "harvest_uj",
    "charge_j": "charge_uj",
    "discharge_j": "discharge_uj",
    "import_j": "import_uj",
    "export_j": "export_uj",
    "curtailed_j": "curtailed_uj",
}


def test_names_are_those_of_the_package() -> None:
    assert detabed.env.CoordinatorEnv is CoordinatorEnv
    assert detabed.env.MarketEnv is MarketEnv
    assert dir(detabed.env) == ["CoordinatorEnv", "MarketEnv"]
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        detabed.env.Nothing  # noqa: B018


@pytest.mark.processes
def test_a_package_that_is_missing_is_named_with_the_extra() -> None:
    code = "import sys; sys.modules['pettingzoo'] = None; import detabed.env; detabed.env.MarketEnv"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'detabed[env]'" in done.stderr


@pytest.mark.parametrize("seed", SEEDS)
def test_an_episode_of_the_coordinator_is_a_run(seed: int, tmp_path: Path) -> None:
    env = CoordinatorEnv(scenario(seed))
    env.reset(seed=seed)
    outcomes = watched(env.world)
    rewards = []
    for slot in range(6):
        _, reward, over, cut, _ = env.step(numbers(seed, slot, 5, ACTIONS))
        rewards.append(reward)
        assert (over, cut) == (slot == 5, False)
    assert_the_same(seed, "ToldCoordinator", outcomes, rewards, tmp_path)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_episode_of_the_market_is_a_run(seed: int, tmp_path: Path) -> None:
    env = MarketEnv(scenario(seed))
    env.reset()
    outcomes = watched(env.world)
    rewards = []
    for slot in range(6):
        drawn = numbers(seed, slot, 5, BIDS)
        _, each, ends, _, _ = env.step(dict(zip(env.possible_agents, drawn, strict=True)))
        rewards.append(sum(each.values()))
        assert set(ends.values()) == {slot == 5}
    assert env.agents == []
    assert_the_same(seed, "ToldMarket", outcomes, rewards, tmp_path)


def watched(world: FleetWorld) -> list[Outcome]:
    """Outcomes of the steps to come."""
    found: list[Outcome] = []
    step = world.step

    def remembered(decision: Any) -> Outcome:
        found.append(step(decision))
        return found[-1]

    world.step = remembered  # type: ignore[method-assign]
    return found


def assert_the_same(
    seed: int, policy: str, outcomes: list[Outcome], rewards: list[float], folder: Path
) -> None:
    """Every joule, batch and gram of the episode is that of a run whose policy takes the same numbers."""
    run = execute(resolve(scenario(seed, policy=f"{HERE}:{policy}")), folder / "run", VirtualFleet())
    slots = pd.read_parquet(run / "slots.parquet").sort_values(["slot", "node_id"])
    assert not pd.read_parquet(run / "decisions.parquet")["status"].str.contains("fallback").any()
    nodes = sorted(set(slots["node_id"]))
    for slot, outcome in enumerate(outcomes):
        own = slots[slots["slot"] == slot]
        assert list(own["node_id"]) == nodes
        for column, name in BY_SLOT.items():
            assert (own[column].to_numpy() == outcome.balance[name] / 1e6).all(), (slot, column)
        assert own["executed_batches"].tolist() == outcome.usage.executed_batches.tolist()
    lines = pd.read_parquet(run / "lines.parquet")
    grams = lines.groupby("slot")["operational_g"].sum().to_numpy()
    assert [-each for each in rewards] == pytest.approx(grams.tolist(), rel=1e-12, abs=1e-15)
    assert any(outcome.booked.summary.moved_batches for outcome in outcomes) or seed not in (0, 3)


def test_gymnasium_accepts_the_coordinator() -> None:
    check_env(CoordinatorEnv([scenario(0), scenario(1)]), skip_render_check=True)


def test_pettingzoo_accepts_the_market() -> None:
    parallel_api_test(MarketEnv(scenario(0)), num_cycles=30)


def test_payments_add_up_to_zero_and_rewards_to_the_grams() -> None:
    env = MarketEnv(scenario(3))
    env.reset()
    for slot in range(6):
        fleet = env.world.fleet
        drawn = numbers(7, slot, 5, BIDS)
        outcomes = watched(env.world)
        _, rewards, *_ = env.step(dict(zip(env.possible_agents, drawn, strict=True)))
        assert sum(rewards.values()) == pytest.approx(-outcomes[0].grams, rel=1e-12)
        assert fleet.slot == slot


def test_no_action_of_a_node_is_an_error() -> None:
    env = MarketEnv(scenario(0))
    env.reset()
    with pytest.raises(ValueError, match="no action of"):
        env.step({env.possible_agents[0]: np.zeros(BIDS, dtype=np.float32)})


def test_an_action_of_another_size_names_its_node() -> None:
    """Six numbers of one node and four of the next are ten together, and would be taken for two actions."""
    env = MarketEnv(scenario(0))
    env.reset()
    actions = {node: np.zeros(BIDS, dtype=np.float32) for node in env.possible_agents}
    first, second = env.possible_agents[:2]
    actions |= {first: np.zeros(BIDS + 1), second: np.zeros(BIDS - 1)}
    with pytest.raises(ValueError, match=f"action of {first} of {BIDS + 1} numbers"):
        env.step(actions)


def test_no_slot_is_decided_before_an_episode_nor_after_it() -> None:
    market, coordinator = MarketEnv(scenario(0)), CoordinatorEnv(scenario(0))
    numbers_of_all = np.zeros((5, ACTIONS), dtype=np.float32)
    for step in (lambda: market.step({}), lambda: coordinator.step(numbers_of_all)):
        with pytest.raises(ValueError, match="no episode has begun"):
            step()
    market.reset()
    while market.agents:
        market.step({node: np.zeros(BIDS, dtype=np.float32) for node in market.agents})
    with pytest.raises(ValueError, match="slots have been"):
        market.step({})


def test_an_episode_begins_again_as_it_began() -> None:
    env = CoordinatorEnv(scenario(2))
    first, _ = env.reset(seed=1)
    grams = [env.step(numbers(2, slot, 5, ACTIONS))[1] for slot in range(6)]
    again, _ = env.reset(seed=1)
    assert (first == again).all()
    assert [env.step(numbers(2, slot, 5, ACTIONS))[1] for slot in range(6)] == grams
    with pytest.raises(ValueError, match="all 6 slots have been"):
        env.step(numbers(2, 0, 5, ACTIONS))


def test_nothing_traded_and_free_batteries_are_local() -> None:
    env, world = CoordinatorEnv(scenario(1)), FleetWorld(scenario(1))
    env.reset(seed=0)
    world.restart()
    still = np.tile(np.array([0.0, 0.0, 1.0], dtype=np.float32), (5, 1))
    while not world.over:
        assert env.step(still)[1] == -world.step(local_decision(world.fleet)).grams


def test_scenarios_are_drawn_or_taken_by_number() -> None:
    env = CoordinatorEnv([scenario(0), scenario(1), scenario(2)])
    drawn = {env.reset(seed=seed)[1]["scenario"] for seed in range(20)}
    assert drawn == {0, 1, 2}
    assert env.reset(seed=0, options={"scenario": 2})[1] == {"scenario": 2}
    with pytest.raises(UsageError, match="allowed are 0 to 2"):
        env.reset(options={"scenario": 3})


def test_scenarios_of_different_numbers_of_nodes_are_refused() -> None:
    with pytest.raises(UsageError, match=r"scenarios of \[4, 5\] nodes"):
        CoordinatorEnv([scenario(0), scenario(0, nodes=4)])
    with pytest.raises(UsageError, match="scenarios of no nodes"):
        CoordinatorEnv([])


def test_a_scenario_that_learns_is_refused() -> None:
    learns = parse_scenario(
        'policy = "local"\n[task]\nname = "mnist-mlp"\ndata = "digits"\n[[nodes]]\nzone = "DE"'
    )
    with pytest.raises(UsageError, match="counts work and trains no model"):
        FleetWorld(learns)


@pytest.mark.parametrize("bad", [np.full((5, ACTIONS), np.nan), np.zeros((4, ACTIONS))])
def test_an_action_that_is_none_is_refused(bad: Any) -> None:
    env = CoordinatorEnv(scenario(0))
    env.reset(seed=0)
    with pytest.raises(ValueError, match="allowed are 3 finite numbers for each of 5 nodes"):
        env.step(bad)
