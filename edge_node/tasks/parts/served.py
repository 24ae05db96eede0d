"""The task of a node among others: its share, and of a model in parts how many batches it serves."""

from __future__ import annotations

from collections.abc import Sequence

from edge_node.config import TaskConfig


def at_node(task: TaskConfig, index: int, batches: Sequence[int]) -> TaskConfig:
    """``task`` at node ``index``. ``batches``: of a slot, of every node."""
    update: dict[str, object] = {"partition_index": index, "batches_per_slot": max(1, batches[index])}
    if task.parts is not None and index == task.parts.server_index:
        update["parts"] = task.parts.model_copy(update={"served_batches": sum(batches)})
    return task.model_copy(update=update)
