"""Vertical federated learning: every node has some columns of the same examples, one of them has the labels.

The model's first layer is linear. Of its weight W every node has the columns that belong to its own, its bottom model;
the holder of the labels adds what the nodes make of an example, z = sum_i W_i x_i + b, and has the rest, the top model
(the sum as the merging of SplitNN: Ceballos et al. 2020, arXiv:2008.04137). It is the whole model on whole examples.

| step | node sends | holder answers |
|---|---|---|
| first | numbers of the round's examples, sums of its columns | every example's mean |
| a batch | ``z`` of its columns | gradient ``g`` of z, loss |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.splitting.partition import Partitioner
from edge_node.tasks.base import Columns
from edge_node.tasks.parts.descent import Descent
from edge_node.tasks.parts.tensors import LOSS, array_of, loss_in
from edge_node.tasks.state import BYTES_PER_VALUE, load_arrays, to_arrays
from edge_node.tasks.workload import IDS, TaskWorkload, distinct_examples, share_digest
from edge_node.workload import Arrays, Lower, Parameters, Sent, TrainResult, WorkCost
from protos.messages.terms import Stage

BLOCK = "columns"
"""Array of a batch (B, w): a node's columns of its examples."""


class MisalignedError(ValueError):
    """Nodes have not sent the same examples."""


def columns_of(count: int, nodes: int, index: int) -> slice:
    """Columns of node ``index``: neighbours, as evenly as they go."""
    begin = index * (count // nodes) + min(index, count % nodes)
    return slice(begin, begin + count // nodes + (index < count % nodes))


class ColumnWorkload(TaskWorkload):
    """One node's columns of all examples and its columns of the first layer; on the holder of the labels the rest too.

    All nodes have all examples, in the same order: batch k of each is of the same ones.
    """

    def __init__(self, config: TaskConfig, inference: InferenceConfig | None = None) -> None:
        """Raises as TaskWorkload, and ValueError for a task whose examples are no rows of columns."""
        parts = config.parts
        if parts is None or parts.kind != "vertical":
            raise ValueError(
                f"a workload of columns needs parts of kind 'vertical', got {None if parts is None else parts.kind!r}"
            )
        alike = {"partitions": 1, "partition_index": 0, "partition": "iid"}
        super().__init__(config.model_copy(update=alike), inference)
        found = self.task.columns()
        if found is None:
            raise ValueError(f"examples of task {config.name} do not divide into columns")
        if config.partitions > found.count:
            raise ValueError(f"{config.partitions} nodes cannot share {found.count} columns")
        self.columns: Columns = found
        self.server, self._nodes = parts.server, config.partitions
        self.holds_labels = config.partition_index == parts.server_index
        self.own = columns_of(found.count, config.partitions, config.partition_index)
        layer = self.model().get_submodule(found.layer)
        if not isinstance(layer, nn.Linear) or layer.in_features != found.count:
            raise ValueError(
                f"{found.layer} of task {config.name} is no linear layer of {found.count} inputs, and columns need one"
            )
        self._layer: nn.Linear = layer

    @property
    def width(self) -> int:
        """Columns of this node."""
        return self.own.stop - self.own.start  # type: ignore[no-any-return]

    @property
    def weight_name(self) -> str:
        return f"{self.columns.layer}.weight"

    @cached_property
    def rows(self) -> NDArray[Any]:
        """(N, w) this node's columns of every example."""
        whole = self.data.train[self.columns.array]
        return np.ascontiguousarray(whole.reshape(len(whole), self.columns.count)[:, self.own])

    @property
    def labels(self) -> NDArray[Any]:
        """(N,) of every example. Raises ValueError where the node does not hold them."""
        if not self.holds_labels:
            raise ValueError(f"this node has no labels; {self.server} holds them")
        return self.data.train[self.columns.target]

    @cached_property
    def digest(self) -> str:
        """See TaskWorkload: of what this node has."""
        held = {BLOCK: self.rows, **({self.columns.target: self.labels} if self.holds_labels else {})}
        return share_digest(held, self.share)

    def training_batch(self, chosen: NDArray[np.int64]) -> Arrays:
        batch = {BLOCK: self.rows.take(chosen, 0), IDS: chosen}
        return {**batch, self.columns.target: self.labels.take(chosen, 0)} if self.holds_labels else batch

    def prepare(self, batches: Sequence[Arrays]) -> float:
        """Check that its columns are numbers, and add them up."""
        for batch in batches:
            if not np.isfinite(batch[BLOCK].sum()):
                raise ValueError(
                    f"columns of task {self.config.name} hold NaN or infinite values: clean the data"
                )
        return sum(self._prepare_flop(len(batch[BLOCK])) for batch in batches)

    def _prepare_flop(self, examples: int) -> float:
        return self.task.prepare_flop(examples) * self.width / self.columns.count

    @property
    def bottom_flop(self) -> float:
        """Of training on one example: two products of the layer, for it needs no gradient of its input."""
        return 4.0 * self.width * self._layer.out_features

    @property
    def top_flop(self) -> float:
        """Of training the rest on one example."""
        return self.task.flop().train - 4.0 * self.columns.count * self._layer.out_features

    def cost(self, stage: str) -> WorkCost:
        whole = super().cost(stage)
        examples = self.config.batch_size
        if stage == Stage.PREPARATION:
            return replace(whole, flop_per_batch=self._prepare_flop(examples))
        if stage != Stage.DEVELOPMENT:
            return whole
        passed, others = examples * self.config.local_epochs, self._nodes - 1
        one_way = passed * BYTES_PER_VALUE * self._layer.out_features
        block = self.width * self._layer.out_features * BYTES_PER_VALUE
        if self.holds_labels:
            top = whole.model_bytes - self.columns.count * self._layer.out_features * BYTES_PER_VALUE
            flop, crossing, model = self.bottom_flop + self.top_flop, others * one_way, block + top
        else:
            flop, crossing, model = self.bottom_flop, one_way, block
        return replace(
            whole,
            flop_per_batch=passed * flop,
            model_bytes=model,
            up_bytes=crossing,
            down_bytes=crossing,
        )

    def lower(self, parameters: Parameters, batches: Sequence[Arrays], options: Mapping[str, float]) -> Lower:
        """Train the node's columns of the layer; see edge_node.workload.Lower."""
        if not batches:
            raise ValueError("no batches to train on: a node without work is not asked to train")
        weight = self._own_weight(parameters)
        descent = Descent([weight], options, self.config.learning_rate)
        epochs, scale = self.epochs(options), self.columns.scale
        numbers = np.concatenate([batch[IDS] for batch in batches])
        sums = np.concatenate([batch[BLOCK].sum(axis=1, dtype=np.float64) for batch in batches])
        answer = yield Sent({IDS: numbers, "sums": sums}, float(self.width * len(numbers)))
        means = torch.from_numpy(np.array(answer["means"], dtype=np.float32)).to(self.device)
        total, examples = 0.0, 0
        for _ in range(epochs):
            begin = 0
            for batch in batches:
                count = len(batch[IDS])
                block = torch.from_numpy(batch[BLOCK].astype(np.float32)).to(self.device)
                x = (block - means[begin : begin + count, None]) * scale
                with torch.no_grad():
                    z = x @ weight.t()
                answer = yield Sent({"z": array_of(z)}, count * self.bottom_flop)
                gradient = torch.from_numpy(np.array(answer["g"], order="C")).to(self.device)
                if gradient.shape != z.shape:
                    raise ValueError(f"g is of shape {tuple(gradient.shape)}; z has {tuple(z.shape)}")
                descent.step([gradient.t() @ x])
                total, examples, begin = total + loss_in(answer), examples + count, begin + count
        return TrainResult(
            parameters={self.weight_name: array_of(weight)},
            num_examples=distinct_examples(batches),
            batches=len(batches),
            mean_loss=total / (epochs * len(batches)),
            flop=examples * self.bottom_flop,
        )

    def _own_weight(self, parameters: Parameters) -> Tensor:
        expected = (self._layer.out_features, self.width)
        found = parameters.get(self.weight_name)
        if len(parameters) != 1 or found is None or found.shape != expected:
            raise ValueError(
                f"a node's part is {self.weight_name} of shape {expected}; got "
                f"{ ({name: array.shape for name, array in parameters.items()}) }"
            )
        return torch.from_numpy(np.array(found, dtype=np.float32)).to(self.device).requires_grad_()

    def upper(
        self, parameters: Parameters, nodes: Sequence[str], options: Mapping[str, float]
    ) -> ColumnUpper:
        """The rest of the model for all ``nodes`` together. Raises ValueError where this node has no labels."""
        return ColumnUpper(self, self.labels, parameters, nodes, options)


class ColumnUpper:
    """The rest of the model and the labels (edge_node.workload.Upper).

    Args:
        workload: Of the holder.
        labels: (N,) of every example.
        parameters: Of the rest: the first layer's bias, and all after it.
        nodes: That have columns, in the order of the columns.
        options: Of the training.
    """

    def __init__(
        self,
        workload: ColumnWorkload,
        labels: NDArray[Any],
        parameters: Parameters,
        nodes: Sequence[str],
        options: Mapping[str, float],
    ) -> None:
        self._workload, self._labels, self._nodes = workload, labels, tuple(nodes)
        columns = workload.columns
        self._top = _top(workload).to(workload.device).train()
        self._bias_name = f"{columns.layer}.bias"
        own = {name: array for name, array in parameters.items() if name != self._bias_name}
        load_arrays(self._top, own)
        bias = np.array(parameters[self._bias_name], dtype=np.float32)
        self._bias = torch.from_numpy(bias).to(workload.device).requires_grad_()
        rate = workload.config.learning_rate
        self._descent = Descent([self._bias, *self._top.parameters()], options, rate)
        self._numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._place = 0

    def answer(self, sent: Mapping[str, Arrays]) -> tuple[dict[str, Arrays], float]:
        """See edge_node.workload.Upper. Raises MisalignedError where nodes lack, or their examples differ."""
        if lacking := [node for node in self._nodes if node not in sent]:
            raise MisalignedError(
                f"columns of {', '.join(lacking)} are missing; a step needs those of all {len(self._nodes)} nodes"
            )
        if IDS in sent[self._nodes[0]]:
            return self._aligned(sent)
        return self._step(sent)

    def parameters(self) -> dict[str, Parameters]:
        """See edge_node.workload.Upper: with the holder's own columns."""
        return {self._workload.server: {self._bias_name: array_of(self._bias), **to_arrays(self._top)}}

    def _aligned(self, sent: Mapping[str, Arrays]) -> tuple[dict[str, Arrays], float]:
        """Every example's mean, once all have sent the same ones in the same order."""
        server = self._workload.server
        numbers = sent[server][IDS]
        for node in self._nodes:
            if not np.array_equal(sent[node][IDS], numbers):
                found = _differing(sent[node][IDS], numbers)
                raise MisalignedError(
                    f"{node} has {found} of the {len(numbers)} that {server} has labels of; "
                    "vertical training needs the same ones in the same order on all nodes"
                )
        self._numbers, self._place = np.asarray(numbers), 0
        sums = np.sum([sent[node]["sums"] for node in self._nodes], axis=0)
        means = (sums / self._workload.columns.count).astype(np.float32)
        return {node: {"means": means} for node in self._nodes}, float(len(numbers) * len(self._nodes))

    def _step(self, sent: Mapping[str, Arrays]) -> tuple[dict[str, Arrays], float]:
        device, task = self._workload.device, self._workload.task
        parts = [torch.from_numpy(np.array(sent[node]["z"], order="C")).to(device) for node in self._nodes]
        count = len(parts[0])
        chosen = self._numbers.take(range(self._place, self._place + count), mode="wrap")
        self._place = (self._place + count) % len(self._numbers)
        y = torch.from_numpy(np.array(self._labels.take(chosen, 0))).to(device)
        with torch.inference_mode(False), torch.enable_grad():
            z = torch.stack(parts).sum(dim=0).requires_grad_()
            loss = task.loss(self._top(z + self._bias).float(), y)
            of_z, *others = torch.autograd.grad(loss, [z, *self._descent.parameters], allow_unused=True)
        self._descent.step(others)
        answer: Arrays = {"g": array_of(of_z), LOSS: np.array([loss.item()], dtype=np.float32)}
        return dict.fromkeys(self._nodes, answer), count * self._workload.top_flop


def _top(workload: ColumnWorkload) -> nn.Module:
    """What the model does with the first layer's output."""
    task, columns = workload.task, workload.columns
    x, _ = task.inputs({name: array[:1] for name, array in workload.data.train.items()})
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        partitioner = Partitioner(task.model(), x)
        place = next(
            k for k, operation in enumerate(partitioner.operations) if operation.target == columns.layer
        )
        return partitioner.parts((place + 1,))[1]


def _differing(theirs: NDArray[Any], ours: NDArray[Any]) -> str:
    if theirs.shape != ours.shape:
        return f"{len(theirs)} examples in place"
    return f"{int((theirs != ours).sum())} other examples in place"
