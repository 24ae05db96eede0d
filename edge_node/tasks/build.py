"""The workload of a node: plain, with layers of its own, private, or a part of a model."""

from __future__ import annotations

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.parts.columns import ColumnWorkload
from edge_node.tasks.parts.split import SplitWorkload
from edge_node.tasks.personal import PersonalWorkload
from edge_node.tasks.private import PrivateWorkload
from edge_node.tasks.workload import TaskWorkload

_PARTS: dict[str, type[TaskWorkload]] = {"split": SplitWorkload, "vertical": ColumnWorkload}


def build_workload(config: TaskConfig, inference: InferenceConfig | None = None) -> TaskWorkload:
    """The workload of a node with this configuration. Raises ValueError or DataError as TaskWorkload does."""
    return _class_of(config)(config, inference)


def _class_of(config: TaskConfig) -> type[TaskWorkload]:
    if config.parts is not None:
        return _PARTS[config.parts.kind]
    if config.privacy is not None and config.privacy.clipping_norm is not None:
        return PrivateWorkload
    return PersonalWorkload if config.personal is not None else TaskWorkload
