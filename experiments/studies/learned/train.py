"""Train the policy ``rl``: PPO of stable-baselines3 on the training worlds.

Command: python -m experiments.studies.learned.train [--steps N] [--seed S] [--output FOLDER]. It needs the extra
``rl`` and the data file em-lca-2022. It writes rl.safetensors (weights of the actor) and rl.json (the training's
record) after every EVERY rollouts and at the end: no setting depends on ``--steps``, so that a training that is ended
early is one of fewer steps. experiments.studies.learned.choose says whether its weights are to ship."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from carbon_data.files.datasets import dataset
from coordinator.policies.learned.action import ACTIONS
from coordinator.policies.learned.network import RECORD, WEIGHTS
from coordinator.policies.learned.observation import FLEET, OWN
from coordinator.policies.learned.record import DIGEST, digest_of
from experiments.environments.world import FleetWorld
from experiments.resolve.resolve import resolve
from experiments.studies.learned.network import NodePolicy
from experiments.studies.learned.together import Together
from experiments.studies.learned.worlds import SLOTS, SOURCE, TOGETHER, TRAINING, side_by_side

NODES, GROUPS = 6, 32
DAYS_OF_A_ROLLOUT = 4
EVERY = 10
"""Rollouts of a point of the curve, and between two records."""
SETTINGS: dict[str, Any] = {
    "n_steps": DAYS_OF_A_ROLLOUT * SLOTS,
    "batch_size": 256,
    "n_epochs": 5,
    "gamma": 0.98,
    "gae_lambda": 0.9,
    "clip_range": 0.2,
    "ent_coef": 0.0,
    "max_grad_norm": 0.5,
}
"""[C], tried on training worlds alone."""
RATE, RATE_HALVED_AT = 1e-3, 400_000
"""Learning rate at the start, and steps at which it is half of it (a third at twice as many)."""


class Recorder(BaseCallback):
    """Mean reduction against LOCAL over the episodes of every EVERY rollouts, exploration included; writes what there
    is."""

    def __init__(self, write: Callable[[PPO, list[dict[str, float]]], None]) -> None:
        super().__init__()
        self.points: list[dict[str, float]] = []
        self._write = write
        self._rollouts: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if len(self._rollouts) == EVERY:
            self.write()

    def _on_rollout_end(self) -> None:
        rewards = self.model.rollout_buffer.rewards  # type: ignore[attr-defined]
        self._rollouts.append(float(np.mean(rewards)))

    def write(self) -> None:
        """A point, weights and record as they are now, and a line of progress. Nothing where nothing is new."""
        if not self._rollouts:
            return
        mean = round(float(np.mean(self._rollouts)), 5)
        self._rollouts = []
        self.points.append({"steps": int(self.num_timesteps), "reduction_fraction": mean})
        self._write(self.model, self.points)  # type: ignore[arg-type]
        print(f"{self.num_timesteps:>9,} slots: {mean:.1%} fewer grams than LOCAL", flush=True)


def rate_after(steps: int) -> Callable[[float], float]:
    """Learning rate by the part of ``steps`` that remains, as stable-baselines3 asks for it. It follows from the
    steps that have been, whatever their total."""
    return lambda remaining: RATE / (1.0 + (1.0 - remaining) * steps / RATE_HALVED_AT)


def train(steps: int, seed: int, output: Path, groups: int = GROUPS) -> dict[str, Any]:
    """Train, write both files into ``output``, and return the record. Raises DataError without the data file."""
    torch.set_num_threads(1)
    output.mkdir(parents=True, exist_ok=True)
    runs = [resolve(side_by_side(TRAINING, number, NODES)) for number in range(groups)]
    env = Together([FleetWorld(run, TOGETHER) for run in runs], seed)
    model = PPO(NodePolicy, env, seed=seed, device="cpu", learning_rate=rate_after(steps), **SETTINGS)
    fixed = {
        "algorithm": "PPO (stable-baselines3)",
        "seed": seed,
        "settings": SETTINGS | {"learning_rate": RATE, "rate_halved_at_steps": RATE_HALVED_AT},
        "nodes": NODES,
        "worlds": groups * TOGETHER,
        "together": TOGETHER,
        "slots": SLOTS,
        "zones": list(TRAINING.zones),
        "days": sorted({run.scenario.time.start.date().isoformat() for run in runs}),
        "intensity": {"source": SOURCE, "sha256": dataset(SOURCE).sha256},
        "observed": [*OWN, *FLEET],
        "actions": ACTIONS,
        "versions": versions(),
    }
    record: dict[str, Any] = {}

    def write(model: PPO, points: list[dict[str, float]]) -> None:
        save_file(model.policy.weights(), output / WEIGHTS)  # type: ignore[operator]
        done = int(points[-1]["steps"])
        record.update(fixed)
        record.update(
            command=f"python -m experiments.studies.learned.train --steps {done} --seed {seed}",
            date=datetime.now(UTC).date().isoformat(),
            steps=done,
            curve=points,
        )
        record[DIGEST] = digest_of(output / WEIGHTS)
        (output / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    recorder = Recorder(write)
    model.learn(steps, callback=recorder)
    recorder.write()
    return record


def versions() -> dict[str, str]:
    """Of what a training depends on."""
    packages = ("stable-baselines3", "gymnasium", "torch", "numpy", "safetensors")
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in packages}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--steps", type=int, default=829_440)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--output", type=Path, default=Path("learned"))
    given = made.parse_args()
    train(given.steps, given.seed, given.output)


if __name__ == "__main__":
    main()
