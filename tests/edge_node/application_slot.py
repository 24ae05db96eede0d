"""A node in a slot in which it answers outside clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edge_node.config import InferenceConfig, NodeConfig, TaskConfig
from edge_node.slots.node import EdgeNode
from edge_node.tasks.evaluation import initial_parameters
from edge_node.tasks.registry import find_task
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


def config(make_config: MakeConfig, task: str = "mnist-mlp", index: int = 0, **inference: Any) -> NodeConfig:
    values = {"batches_per_slot": 1, "requests_per_batch": 8, "max_wait_s": 0.2, **inference}
    data = "digits" if task.startswith("mnist") else "pydoc"
    return make_config(
        index,
        stages=STAGES,
        task=TaskConfig(
            name=task,
            data=data,
            batch_size=8,
            batches_per_slot=1,
            learning_rate=0.1,
            partitions=3,
            partition_index=0,
        ),
        inference=InferenceConfig(**values),
    )


def advance(node: EdgeNode, slot: int, work: bool = True) -> Usage:
    """Go through one slot as the coordinator would have it; returns what was reported."""
    decide(node, slot, work)
    return finish(node, slot)


def decide(node: EdgeNode, slot: int, work: bool = True) -> None:
    if slot == 0 and node.slot < 0:
        node.register(f"boot-{node.node_id}")
        node.on_welcome(Welcome("run", 1, 1.0, 5.0, 0))
    node.on_decision(Decision(node.node_id, 1, slot, STAGES[slot], True, int(work), (), (), 0, 0, 0, 9.0))
    if work:
        node.execute(initial_parameters(node.config.task.name, 0))


def finish(node: EdgeNode, slot: int) -> Usage:
    return finish_at(node, slot, 1)


def finish_at(node: EdgeNode, slot: int, epoch: int) -> Usage:
    usage = node.close(CloseSlot(epoch, slot))
    node.on_grant(EnergyGrant(node.node_id, epoch, slot, 0, 0))
    return usage


def energies(usage: Usage, stage: Stage) -> dict[Component, int]:
    return {line.component: line.energy_uj for line in usage.lines if line.stage is stage}


def images(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    test = find_task("mnist-mlp").dataset("digits").test["images"]
    return {"images": test[np.random.default_rng(seed).integers(0, len(test), count)]}
