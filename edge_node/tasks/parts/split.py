"""Split learning (Gupta and Raskar 2018, arXiv:1810.06060): a node trains a model's first layers, a server the rest.

All nodes train at the same time, each with a rest of its own, and all parts are averaged after the round (SplitFedV1:
Thapa et al. 2022, arXiv:2004.12088): the model is then the one that federated training makes of the same batches.
Where labels stay on the node it has the last layers too (the U-shape of Vepakomma et al. 2018, arXiv:1812.00564).

| step | node sends | server answers |
|---|---|---|
| labels sent | activations ``x``, labels | gradients ``g``, loss |
| labels kept, forward | activations ``x`` | the rest's outputs ``y`` |
| labels kept, backward | gradients ``g`` of ``y`` | gradients ``g`` of ``x`` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, fx

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.base import Task
from edge_node.tasks.parts.cut import Cut, find_cut
from edge_node.tasks.parts.descent import Descent
from edge_node.tasks.parts.tensors import LOSS, TARGET, array_of, gradients_of, loss_in, numbered, tensors_of
from edge_node.tasks.state import BYTES_PER_VALUE, load_arrays, state_of, to_arrays
from edge_node.tasks.workload import TaskWorkload, distinct_examples
from edge_node.workload import Arrays, Lower, Parameters, Sent, TrainResult, WorkCost
from protos.messages.terms import Stage


class SplitWorkload(TaskWorkload):
    """One node's share of the data with the first part of the model, and, on the server, the rest for every node."""

    def __init__(self, config: TaskConfig, inference: InferenceConfig | None = None) -> None:
        """Raises as TaskWorkload, and ValueError where the model cannot be cut there."""
        super().__init__(config, inference)
        parts = config.parts
        if parts is None or parts.kind != "split":
            raise ValueError(
                f"a split workload needs parts of kind 'split', got {None if parts is None else parts.kind!r}"
            )
        self.server, self._is_server = parts.server, config.partition_index == parts.server_index
        self._served_per_own = parts.served_batches / config.batches_per_slot
        self.cut: Cut = find_cut(config.name, config.data, parts.cut, parts.head)

    def cost(self, stage: str) -> WorkCost:
        """Of a training batch, the node's part, and on the server its share of the rests; bytes that cross the cut are
        among those of a batch."""
        whole = super().cost(stage)
        if stage not in (Stage.DEVELOPMENT, Stage.RECYCLING):
            return whole
        passed = self.config.batch_size * self.config.local_epochs
        flop = sum(part.train_flop for part in self.cut.lower)
        up, down = self._crossing_bytes()
        if self._is_server:  # its own batches do not leave it
            flop += self._served_per_own * self.cut.upper.train_flop
            others = max(0.0, self._served_per_own - 1)
            up, down = others * down, others * up
        return replace(
            whole,
            flop_per_batch=passed * flop,
            model_bytes=self._model_bytes(),
            up_bytes=passed * down,
            down_bytes=passed * up,
        )

    def _crossing_bytes(self) -> tuple[float, float]:
        """Of one example, (sent by a node, received by it)."""
        sent, received = self.cut.sent_bytes
        if len(self.cut.parts) == 2:
            target = self.task.inputs(self.batch(0, Stage.DEVELOPMENT))[1]
            return sent + target.nbytes / len(target), received
        return sent, received

    def _model_bytes(self) -> int:
        state = state_of(self.model())
        held = {name for part in self.cut.lower for name in part.names}
        if self._is_server:
            held |= set(self.cut.upper.names)
        return sum(BYTES_PER_VALUE * tensor.numel() for name, tensor in state.items() if name in held)

    def lower(self, parameters: Parameters, batches: Sequence[Arrays], options: Mapping[str, float]) -> Lower:
        """Train the node's part over ``batches``, ``local_epochs`` times; see edge_node.workload.Lower."""
        if not batches:
            raise ValueError("no batches to train on: a node without work is not asked to train")
        parts = [self.cut.copy(part, self.device) for part in self.cut.lower]
        _load(parts, parameters)
        rate = self.config.learning_rate
        descents = [Descent(list(part.parameters()), options, rate) for part in parts]
        flop, epochs = sum(part.train_flop for part in self.cut.lower), self.epochs(options)
        total, examples = 0.0, 0
        for _ in range(epochs):
            for batch in batches:
                x, y = self.task.inputs_on(self.device, batch)
                outputs: tuple[Tensor, ...] = parts[0](x)
                count = len(y)
                sent = numbered("x", outputs)
                if len(parts) == 1:
                    answer = yield Sent({**sent, TARGET: array_of(y)}, count * flop)
                    loss = loss_in(answer)
                else:
                    middle = yield Sent(sent, count * flop)
                    specs = self.cut.points[1].specs
                    loss, gradients = _finished(
                        self.task, parts[1], descents[1], tensors_of("y", middle, specs, self.device), y
                    )
                    answer = yield Sent(gradients, 0.0)
                _back(descents[0], outputs, answer)
                total, examples = total + loss, examples + count
        return TrainResult(
            parameters={name: array for part in parts for name, array in to_arrays(part).items()},
            num_examples=distinct_examples(batches),
            batches=len(batches),
            mean_loss=total / (epochs * len(batches)),
            flop=examples * flop,
        )

    def upper(self, parameters: Parameters, nodes: Sequence[str], options: Mapping[str, float]) -> SplitUpper:
        """Rests of the model for ``nodes``, all beginning with ``parameters``."""
        return SplitUpper(
            self.cut, self.task, self.device, parameters, nodes, options, self.config.learning_rate
        )


class SplitUpper:
    """A rest of the model for each node (edge_node.workload.Upper).

    Args:
        cut: Of the model.
        task: Whose loss it is.
        device: Where it computes.
        parameters: Of the rest, for all nodes alike.
        nodes: That are served.
        options: Of the training.
        learning_rate: Where the options give none.
    """

    def __init__(
        self,
        cut: Cut,
        task: Task,
        device: torch.device,
        parameters: Parameters,
        nodes: Sequence[str],
        options: Mapping[str, float],
        learning_rate: float,
    ) -> None:
        self._cut, self._task, self._device = cut, task, device
        self._rests: dict[str, tuple[fx.GraphModule, Descent]] = {}
        self._open: dict[str, tuple[list[Tensor], tuple[Tensor, ...]]] = {}
        """Of nodes that keep their labels: what came in, and what went out, until its gradients come."""
        for node in nodes:
            rest = cut.copy(cut.upper, device)
            load_arrays(rest, parameters)
            self._rests[node] = rest, Descent(list(rest.parameters()), options, learning_rate)

    def answer(self, sent: Mapping[str, Arrays]) -> tuple[dict[str, Arrays], float]:
        """See edge_node.workload.Upper."""
        answers: dict[str, Arrays] = {}
        flop = 0.0
        for node, arrays in sent.items():
            if node not in self._rests:
                raise ValueError(f"{node} is not served here; served are {', '.join(self._rests)}")
            if node in self._open:
                answers[node] = self._backward(node, arrays)
                continue
            inputs = tensors_of("x", arrays, self._cut.points[0].specs, self._device)
            flop += len(inputs[0]) * self._cut.upper.train_flop
            answers[node] = self._step(node, inputs, arrays)
        return answers, flop

    def parameters(self) -> dict[str, Parameters]:
        """See edge_node.workload.Upper."""
        return {node: to_arrays(rest) for node, (rest, _) in self._rests.items()}

    def _step(self, node: str, inputs: list[Tensor], arrays: Arrays) -> Arrays:
        rest, descent = self._rests[node]
        if len(self._cut.parts) == 2:
            if TARGET not in arrays:
                raise ValueError(f"{node} sent no labels, and the loss is computed here")
            y = torch.from_numpy(np.array(arrays[TARGET], order="C")).to(self._device)
            loss, gradients = _finished(self._task, rest, descent, inputs, y)
            return {**gradients, LOSS: np.array([loss], dtype=np.float32)}
        outputs: tuple[Tensor, ...] = rest(*inputs)
        self._open[node] = inputs, outputs
        return numbered("y", outputs)

    def _backward(self, node: str, arrays: Arrays) -> Arrays:
        inputs, outputs = self._open.pop(node)
        return numbered("g", _gradients(self._rests[node][1], inputs, *gradients_of(arrays, outputs)))


def _load(parts: Sequence[fx.GraphModule], parameters: Parameters) -> None:
    """Raises ValueError for parameters that are not those of the parts."""
    names = [tuple(state_of(part)) for part in parts]
    expected = {name for each in names for name in each}
    if expected != set(parameters):
        raise ValueError(
            f"parameters do not fit the node's part: got {sorted(parameters)}, expected {sorted(expected)}"
        )
    for part, own in zip(parts, names, strict=True):
        load_arrays(part, {name: parameters[name] for name in own})


def _finished(
    task: Task, part: fx.GraphModule, descent: Descent, inputs: list[Tensor], y: Tensor
) -> tuple[float, Arrays]:
    """A step of the part that ends in the loss: the mean loss before it, and gradients of the inputs."""
    with torch.inference_mode(False), torch.enable_grad():
        loss = task.loss(part(*inputs).float(), y)
        return loss.item(), numbered("g", _gradients(descent, inputs, [loss], [torch.ones_like(loss)]))


def _back(descent: Descent, outputs: Sequence[Tensor], answer: Arrays) -> None:
    """A step of the part that begins with the examples."""
    _gradients(descent, [], *gradients_of(answer, outputs))


def _gradients(
    descent: Descent, inputs: Sequence[Tensor], outputs: list[Tensor], of_outputs: list[Tensor]
) -> list[Tensor | None]:
    """Take a step, and return gradients of ``inputs``; None of those that have none."""
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    given: Sequence[Tensor | None] = [None] * (len(wanted) + len(descent.parameters))
    sources = [*wanted, *descent.parameters]
    if outputs and sources:
        given = torch.autograd.grad(outputs, sources, of_outputs, allow_unused=True)
    descent.step(given[len(wanted) :])
    found = iter(given[: len(wanted)])
    return [next(found) if tensor.requires_grad else None for tensor in inputs]
