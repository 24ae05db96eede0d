"""Workloads of text."""

from __future__ import annotations

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.build import build_workload


def workload(name: str, **changes):
    values = {
        "name": name,
        "data": "pydoc",
        "batch_size": 4,
        "batches_per_slot": 2,
        "learning_rate": 0.1,
        "partitions": 3,
        "partition_index": 0,
        "partition": "contiguous",
    }
    return build_workload(TaskConfig(**(values | changes)), InferenceConfig(requests_per_batch=3))
