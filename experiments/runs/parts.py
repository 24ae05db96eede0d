"""A model that is trained in parts, as the runner sees it: who gets which part, and how they become one again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from coordinator.adapters.parts_grid import Division
from edge_node.adapters.npy import array_view
from edge_node.tasks.parts.columns import columns_of
from edge_node.tasks.parts.cut import find_cut
from edge_node.tasks.registry import find_task
from protos.flower_names import ARRAYS, CONFIG

if TYPE_CHECKING:
    from edge_node.config import TaskConfig
    from experiments.resolve.resolved import Resolved


def division_of(resolved: Resolved) -> Division | None:
    """How the run's model is divided; None: every node trains all of it."""
    task = resolved.task
    if task.parts is None:
        return None
    if task.parts.kind == "split":
        return _at_the_cut(task)
    return _by_columns(task, resolved.node_ids)


def _at_the_cut(task: TaskConfig) -> Division:
    assert task.parts is not None  # division_of asked
    cut = find_cut(task.name, task.data, task.parts.cut, task.parts.head)
    lower = set(cut.lower_names)
    return Division(
        server=task.parts.server,
        lower=lambda arrays, _: ArrayRecord({name: arrays[name] for name in arrays if name in lower}),
        upper=lambda arrays: ArrayRecord({name: arrays[name] for name in arrays if name not in lower}),
    )


def _by_columns(task: TaskConfig, nodes: tuple[str, ...]) -> Division:
    assert task.parts is not None  # division_of asked
    weight, count = _first_weight(task)
    places = {name: columns_of(count, len(nodes), index) for index, name in enumerate(nodes)}

    def lower(arrays: ArrayRecord, node: str) -> ArrayRecord:
        columns = array_view(arrays[weight].data)[:, places[node]]
        return ArrayRecord({weight: Array(np.ascontiguousarray(columns))})

    return Division(
        server=task.parts.server,
        lower=lower,
        upper=lambda arrays: ArrayRecord({name: arrays[name] for name in arrays if name != weight}),
    )


def _first_weight(task: TaskConfig) -> tuple[str, int]:
    """(name of the weight that is divided, columns of it)."""
    columns = find_task(task.name).columns()
    assert columns is not None  # refused where it is none
    return f"{columns.layer}.weight", columns.count


class PutTogether(Strategy):
    """Vertical training's strategy: the model's parts, put side by side. Nothing is averaged, for there is one model.

    Args:
        weight: Name of the tensor whose columns the nodes have.
        nodes: How many there are. A round in which one is missing makes no model.
    """

    def __init__(self, weight: str, nodes: int) -> None:
        self._weight, self._nodes = weight, nodes

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        content = RecordDict({ARRAYS: arrays, CONFIG: config})
        return [Message(content, number, MessageType.TRAIN) for number in grid.get_node_ids()]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        found = sorted(replies, key=lambda reply: reply.metadata.src_node_id)
        if len(found) < self._nodes:
            return None, None
        records = [reply.content.array_records[ARRAYS] for reply in found]
        blocks = [array_view(record[self._weight].data) for record in records]
        whole: dict[str, Array] = {self._weight: Array(np.concatenate(blocks, axis=1))}
        for record in records:
            whole |= {name: array for name, array in record.items() if name != self._weight}
        return ArrayRecord(whole), MetricRecord()

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        """Nothing to say."""


def put_together(task: TaskConfig) -> PutTogether:
    """The strategy of vertical training of ``task``."""
    weight, _ = _first_weight(task)
    return PutTogether(weight, task.partitions)
