"""Workloads of images and their batches."""

from __future__ import annotations

from edge_node.config import TaskConfig
from edge_node.tasks.workload import TaskWorkload
from protos.messages.terms import Stage

DEVELOPMENT, APPLICATION, PREPARATION = Stage.DEVELOPMENT, Stage.APPLICATION, Stage.PREPARATION


def config(**changes) -> TaskConfig:
    values = {
        "name": "mnist-mlp",
        "batch_size": 32,
        "batches_per_slot": 5,
        "learning_rate": 0.1,
        "partitions": 10,
        "partition_index": 0,
    }
    return TaskConfig(**(values | changes))


def batches(workload: TaskWorkload, count: int, first: int = 0):
    return [workload.batch(first + k, DEVELOPMENT) for k in range(count)]
