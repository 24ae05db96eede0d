"""Train the policy ``rl``: PPO of stable-baselines3 on the training worlds.

Command: python -m experiments.studies.learned.train [--steps N] [--seed S] [--output FOLDER]. It needs the extra
``rl`` and the data file em-lca-2022. It writes rl.safetensors (weights of the actor) and rl.json (the training's
record). The reward is minus the grams of a slot, less LOCAL's in the same slot of the same world, over LOCAL's mean:
a shift that no decision changes, and a scale."""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from carbon_data.files.datasets import dataset
from coordinator.policies.learned.action import ACTIONS
from coordinator.policies.learned.network import RECORD, WEIGHTS
from coordinator.policies.learned.observation import FLEET, OWN
from coordinator.policies.local import local_decision
from experiments.environments.coordinator_env import CoordinatorEnv
from experiments.environments.world import FleetWorld
from experiments.resolve.resolve import resolve
from experiments.studies.learned.network import NodePolicy
from experiments.studies.learned.worlds import SLOTS, SOURCE, TRAINING, world

NODES, WORLDS = 6, 64
SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "n_steps": 40 * SLOTS,
    "batch_size": 240,
    "n_epochs": 8,
    "gamma": 0.95,
    "gae_lambda": 0.9,
    "clip_range": 0.2,
    "ent_coef": 0.0,
    "max_grad_norm": 0.5,
}
"""[C], tried on training worlds alone."""


class AgainstLocal(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The reward as the module says."""

    def __init__(self, env: CoordinatorEnv, local_g: list[NDArray[np.float64]]) -> None:
        super().__init__(env)
        self._local_g = local_g

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        seen, info = self.env.reset(**options)
        self._now = self._local_g[info["scenario"]]
        return seen, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen, reward, over, cut, info = self.env.step(action)
        local = self._now[info["slot"]]
        return seen, float((local + float(reward)) / self._now.mean()), over, cut, info


class Curve(BaseCallback):
    """Mean reduction against LOCAL over the episodes of each rollout, exploration included."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[dict[str, float]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        rewards = self.model.rollout_buffer.rewards  # type: ignore[attr-defined]
        mean = float(np.mean(rewards))
        self.points.append({"steps": int(self.num_timesteps), "reduction_fraction": round(mean, 5)})


def local_grams(fleet: FleetWorld) -> NDArray[np.float64]:
    """(T,) g of LOCAL in each slot."""
    fleet.restart()
    grams = []
    while not fleet.over:
        grams.append(fleet.step(local_decision(fleet.fleet)).grams)
    return np.array(grams)


def train(steps: int, seed: int, output: Path) -> dict[str, Any]:
    """Train, write both files into ``output``, and return the record. Raises DataError without the data file."""
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    runs = [resolve(world(TRAINING, number, NODES)) for number in range(WORLDS)]
    local_g = [local_grams(FleetWorld(run)) for run in runs]
    env = AgainstLocal(CoordinatorEnv(runs), local_g)
    model = PPO(NodePolicy, env, seed=seed, device="cpu", **SETTINGS)
    curve = Curve()
    model.learn(steps, callback=curve)
    save_file(model.policy.weights(), output / WEIGHTS)  # type: ignore[operator]
    packages = ("stable-baselines3", "gymnasium", "torch", "numpy", "safetensors")
    record = {
        "algorithm": "PPO (stable-baselines3)",
        "command": f"python -m experiments.studies.learned.train --steps {steps} --seed {seed}",
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "steps": int(model.num_timesteps),
        "settings": SETTINGS,
        "nodes": NODES,
        "worlds": WORLDS,
        "slots": SLOTS,
        "zones": list(TRAINING.zones),
        "days": sorted({run.scenario.time.start.date().isoformat() for run in runs}),
        "intensity": {"source": SOURCE, "sha256": dataset(SOURCE).sha256},
        "observed": [*OWN, *FLEET],
        "actions": ACTIONS,
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        "curve": curve.points,
    }
    (output / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--steps", type=int, default=38_400)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--output", type=Path, default=Path("learned"))
    given = made.parse_args()
    train(given.steps, given.seed, given.output)


if __name__ == "__main__":
    main()
