"""Training of many nodes in one process, one after the other on one model in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from carbon_data.exact import Floats, Ints
from carbon_data.own_code import place_of
from edge_node.columns.work import WorkColumns
from edge_node.config import TaskConfig
from edge_node.tasks.state import as_float, averaged_into, load_arrays, state_of, to_arrays
from edge_node.tasks.workload import TaskWorkload, distinct
from edge_node.workload import Parameters
from protos.messages.terms import Stage


class TrainingError(RuntimeError):
    """The task raised while a node trained."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What R nodes learned in a slot."""

    rows: Ints
    """(R,) ascending."""
    num_examples: Ints
    """(R,) distinct examples: the aggregation weight."""
    mean_loss: Floats
    averages: Sequence[tuple[int, Parameters]]
    """Of each process: examples, and the mean of its nodes' parameters, weighted by theirs; none where ``each`` has the
    nodes' own."""
    each: Sequence[Parameters] = ()
    """(R,) every node's parameters."""


class RowTrainer:
    """Trains nodes of a run, any of them on anybody's batches: batches are numbers, and each process has the data.

    Args:
        config: The task of all nodes; ``partition_index`` says nothing.
        names: Names of the nodes, for what goes wrong.
    """

    def __init__(self, config: TaskConfig, names: Sequence[str]) -> None:
        self._config, self._names = config, names
        self._workloads: dict[int, TaskWorkload] = {}

    def train(
        self, parameters: Parameters, work: WorkColumns, options: Mapping[str, float], each: bool
    ) -> Trained:
        """Train all nodes of ``work``, at least one, from ``parameters``. ``each``: return every node's own; else their
        average, in the order and the arithmetic of Flower's FedAvg, so that in one process it is the same to the bit.

        Raises TrainingError for a task that raises."""
        model = self._workload(0).model()
        tensors = load_arrays(model, parameters)
        begin = [tensor.detach().clone() for tensor in tensors]
        sums = [torch.zeros_like(as_float(tensor)) for tensor in begin]
        found = dict(self._examples(work))
        rows = np.fromiter(found, dtype=np.int64)
        examples = np.array([distinct(batches) for batches in found.values()], dtype=np.int64)
        losses, kept, total = np.zeros(len(rows)), [], int(examples.sum())
        for place, (row, batches) in enumerate(found.items()):
            with torch.no_grad():
                torch._foreach_copy_(tensors, begin)
            losses[place] = self._descend(row, batches, options)
            if each:
                kept.append(to_arrays(model))
                continue
            averaged_into(sums, tensors, int(examples[place]) / total)
        average = {name: tensor.numpy(force=True) for name, tensor in zip(state_of(model), sums, strict=True)}
        return Trained(rows, examples, losses, () if each else [(total, average)], kept)

    def _descend(self, row: int, batches: Sequence[Ints], options: Mapping[str, float]) -> float:
        workload = self._workload(row)
        try:
            return workload.descend([workload.training_batch(numbers) for numbers in batches], options)
        except Exception as error:  # the boundary to user tasks
            raise TrainingError(
                f"{self._names[row]}: {type(error).__name__}: {error} (at {place_of(error)})"
            ) from error

    def _examples(self, work: WorkColumns) -> Iterator[tuple[int, list[Ints]]]:
        """Node after node with the examples of its batches."""
        columns = (work.executor, work.owner, work.first, work.batches)
        row = -1
        batches: list[Ints] = []
        for executor, owner, first, count in zip(*(column.tolist() for column in columns), strict=True):
            if executor != row and batches:
                yield row, batches
                batches = []
            row, workload = executor, self._workload(owner)
            batches += [workload.examples(first + k, Stage.DEVELOPMENT) for k in range(count)]
        if batches:
            yield row, batches

    def _workload(self, row: int) -> TaskWorkload:
        if row not in self._workloads:
            self._workloads[row] = TaskWorkload(self._config.model_copy(update={"partition_index": row}))
        return self._workloads[row]


def merged(parts: Sequence[Trained]) -> Trained:
    """What several processes trained, as one."""
    rows = np.concatenate([part.rows for part in parts])
    order = np.argsort(rows)
    each = [one for part in parts for one in part.each]
    return Trained(
        rows=rows[order],
        num_examples=np.concatenate([part.num_examples for part in parts])[order],
        mean_loss=np.concatenate([part.mean_loss for part in parts])[order],
        averages=[average for part in parts for average in part.averages],
        each=[each[k] for k in order.tolist()] if each else (),
    )
