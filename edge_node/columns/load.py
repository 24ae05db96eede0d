"""The work of many nodes: batches released by slot, and what a batch costs, counted or learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbon_data.exact import Floats, Ints
from edge_node.config import NodeConfig
from edge_node.slots.profile import released_batches
from edge_node.tasks.build import build_workload
from edge_node.tasks.none import CountedWorkload
from edge_node.workload import Workload
from protos.messages.terms import Stage


@dataclass(frozen=True, slots=True)
class Load:
    """Work of the development stage of N nodes."""

    demand: Ints
    """(N, T) batches released in each slot."""
    bytes_per_batch: int
    flop_per_batch: Floats | None = None
    """(N,) of counted work; None: a task is learned."""
    batch_size: int = 0
    """Examples of a task's batch."""
    train_flop: float = 0.0
    """Of one example."""
    local_epochs: int = 1
    model_bytes: int = 0
    """Of the parameters, which come to a node that trains and go back."""

    @property
    def learns(self) -> bool:
        return self.flop_per_batch is None

    def flop(self, batches: Ints, epochs: Ints | None) -> Floats:
        """(N,) operations of ``batches``; ``epochs``: (N,) passes over them, None: as configured. In the order in which
        edge_node.tasks.workload multiplies, so that no figure differs in its last digit."""
        if self.flop_per_batch is not None:
            return np.asarray(batches * self.flop_per_batch)
        passes = self.local_epochs if epochs is None else epochs
        return np.asarray(passes * (batches * self.batch_size) * self.train_flop)


def workload_of(config: NodeConfig) -> Workload:
    """A node's work of the development stage."""
    return build_workload(config.task) if config.demand is None else CountedWorkload(config.demand)


def load_of(configs: Sequence[NodeConfig]) -> Load:
    """The work of the nodes. Raises ValueError where some learn and others do not."""
    first = configs[0]
    demands = [config.demand for config in configs if config.demand is not None]
    if len(demands) == len(configs):
        return Load(
            demand=np.array([each.batches for each in demands], dtype=np.int64),
            bytes_per_batch=demands[0].bytes_per_batch,
            flop_per_batch=np.array([each.flop_per_batch for each in demands]),
        )
    if demands:
        raise ValueError(
            f"{len(demands)} of {len(configs)} nodes have a demand, the others a task; allowed is the same kind for all"
        )
    workload = build_workload(first.task)
    cost = workload.cost(Stage.DEVELOPMENT)
    released = [released_batches(config, Stage.DEVELOPMENT) for config in configs]
    return Load(
        demand=np.tile(np.array(released, dtype=np.int64)[:, None], (1, len(first.stages))),
        bytes_per_batch=cost.bytes_per_batch,
        batch_size=first.task.batch_size,
        train_flop=workload.task.flop().train,
        local_epochs=first.task.local_epochs,
        model_bytes=cost.model_bytes,
    )
