"""Environments for learning: node-steps a second of the coordinator's and the market's.

Claim:   at 100 nodes an environment takes a CPU second for at least 50,000 node-steps (observation, projection of the
         action, nodes, trade and grams).
Cost:    --quick half a minute on two cores, otherwise about two.
Command: python -m benchmarks.env [--quick] [--json]

A node-step is one node in one slot. 100 nodes in ten zones, half of them with panels and batteries, over 24 slots;
actions are drawn beforehand, uniformly. The first episode is not counted (it meets every slot's fleet for the first
time, once a scenario). CPU seconds of all threads, the best of several times four episodes. Beside it the same slots as
LOCAL's run with its ledger (benchmarks.virtual), so that the share of the books can be seen. Needs the extra ``env``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._command import against, measuring, parser, show
from benchmarks.virtual import SLOTS, scenario_text
from coordinator.adapters.flower_server import RunRecord
from coordinator.policies.learned.action import ACTIONS
from experiments.environments.coordinator_env import CoordinatorEnv
from experiments.environments.market_env import BIDS, MarketEnv
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.runs.columns import run_columns
from experiments.scenario.model import parse_scenario

NODES = 100
EPISODES = 4
GOALS = {
    f"coordinator_{NODES}_node_steps_per_cpu_s": 50_000.0,
    f"market_{NODES}_node_steps_per_cpu_s": 50_000.0,
}


def rate(episode: Callable[[], None], nodes: int, times: int) -> float:
    """Node-steps a CPU second: the best of ``times`` measurements."""
    episode()
    found = []
    for _ in range(times):
        began = time.process_time()
        for _ in range(EPISODES):
            episode()
        found.append(EPISODES * nodes * SLOTS / (time.process_time() - began))
    return max(found)


def coordinator_episode(resolved: Resolved, nodes: int) -> Callable[[], None]:
    env = CoordinatorEnv(resolved)
    drawn = np.random.default_rng(0).uniform(-1, 1, (SLOTS, nodes, ACTIONS)).astype(np.float32)

    def episode() -> None:
        env.reset(seed=0)
        for action in drawn:
            env.step(action)

    return episode


def market_episode(resolved: Resolved, nodes: int) -> Callable[[], None]:
    env = MarketEnv(resolved)
    drawn = np.random.default_rng(0).uniform(-1, 1, (SLOTS, nodes, BIDS)).astype(np.float32)
    told = [dict(zip(env.possible_agents, rows, strict=True)) for rows in drawn]

    def episode() -> None:
        env.reset()
        for actions in told:
            env.step(actions)

    return episode


def run_of(resolved: Resolved) -> Callable[[], None]:
    def episode() -> None:
        with tempfile.TemporaryDirectory() as folder:
            run_columns(resolved, "benchmark", Path(folder), RunRecord(), lambda: None, lambda _: None)

    return episode


def run(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure both environments, and LOCAL's runs."""
    times, figures = 2 if quick else 6, {}
    for nodes in (10, NODES) if quick else (10, NODES, 1_000):
        resolved = resolve(parse_scenario(scenario_text("local", nodes)))
        for name, episode in (
            ("coordinator", coordinator_episode(resolved, nodes)),
            ("market", market_episode(resolved, nodes)),
            ("local_run", run_of(resolved)),
        ):
            say(f"{name}, {nodes:,} nodes")
            figures[f"{name}_{nodes}_node_steps_per_cpu_s"] = rate(episode, nodes, times)
    return {"figures": figures, "goals": against(GOALS, figures, ">=")}


def main() -> None:
    arguments = parser(__doc__, "two measurements at 10 and 100 nodes: half a minute").parse_args()
    show(measuring(lambda say: run(arguments.quick, say)), arguments.json)


if __name__ == "__main__":
    main()
