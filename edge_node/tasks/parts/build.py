"""The workload of a task, whole or in parts."""

from __future__ import annotations

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.parts.columns import ColumnWorkload
from edge_node.tasks.parts.split import SplitWorkload
from edge_node.tasks.workload import TaskWorkload, build_workload

_KINDS: dict[str, type[TaskWorkload]] = {"split": SplitWorkload, "vertical": ColumnWorkload}


def workload_of(config: TaskConfig, inference: InferenceConfig | None = None) -> TaskWorkload:
    """The workload of a node with this configuration. Raises ValueError or DataError as TaskWorkload does."""
    if config.parts is None:
        return build_workload(config, inference)
    return _KINDS[config.parts.kind](config, inference)
