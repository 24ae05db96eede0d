"""A node with a model of its own: tensors that stay at home (FedBN, FedPer), or a second model beside the global one
(Ditto), and how right it is on the node's own mixture of classes.

FedBN: Li et al. 2021, arXiv:2102.07623 (layers of batch normalisation stay at home). FedPer: Arivazhagan et al. 2019,
arXiv:1912.00818 (the last layers do). Ditto: Li et al. 2021, arXiv:2012.04221 (a second model v with the loss
F(v) + lambda/2 |v - w|^2, w being the global model that the round began with).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from edge_node.config import InferenceConfig, PersonalConfig, TaskConfig
from edge_node.tasks.base import Task
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.own.trial import kept_names
from edge_node.tasks.state import load_arrays, state_of, to_arrays
from edge_node.tasks.workload import TaskWorkload, training_flop, untrained_parameters
from edge_node.workload import Arrays, InferResult, Parameters, Stop, TrainResult, WorkCost

VALUE_BYTES = 4


def norm_tensors(model: nn.Module) -> tuple[str, ...]:
    """Names of the tensors of batch normalisation: scale, shift and statistics. Raises ValueError without any."""
    layers = [f"{path}." for path, layer in model.named_modules() if isinstance(layer, _BatchNorm)]
    found = tuple(name for name in state_of(model) if name.startswith(tuple(layers))) if layers else ()
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no layer of batch normalisation that could stay at home; take task "
            '"mnist-mlp-bn", a model with such layers, or strategy "fedper"'
        )
    return found


def head_tensors(model: nn.Module, layers: str) -> tuple[str, ...]:
    """Names of the tensors that stay at home by FedPer: those that a pattern of ``layers`` (separated by commas)
    matches; without one those of the last layer. Raises ValueError where none or all of the model would stay."""
    names = list(state_of(model))
    patterns = [part.strip() for part in layers.split(",") if part.strip()]
    found = kept_names(model, patterns) if patterns else frozenset(_last_layer(model, names))
    if len(found) == len(names):
        raise ValueError(
            f"all tensors of {type(model).__name__} would stay at home, and nothing would be learned together; name "
            f"some of {', '.join(names[:12])}"
        )
    return tuple(name for name in names if name in found)


def _last_layer(model: nn.Module, names: Sequence[str]) -> list[str]:
    last = [name for name, _ in model.named_parameters()][-1].rpartition(".")[0]
    return [name for name in names if name.rpartition(".")[0] == last]


class PersonalWorkload(TaskWorkload):
    """A TaskWorkload whose node keeps tensors, or trains a model of its own, and measures it after each training."""

    def __init__(self, config: TaskConfig, inference: InferenceConfig | None = None) -> None:
        """As TaskWorkload. What stays at home begins as in the task's model of the run's seed."""
        super().__init__(config, inference)
        self._personal = config.personal or PersonalConfig()
        self._begun = untrained_parameters(config.name, config.seed)
        self._kept = {name: self._begun[name] for name in self._personal.home}
        self._own: Parameters = self._begun if self._personal.pull is not None else {}
        """Ditto's second model."""

    def _own_names(self) -> frozenset[str]:
        return super()._own_names() | frozenset(self._personal.home)

    def home(self) -> Parameters:
        return self._kept if self._personal.pull is None else {**self._kept, **self._own}

    def take_home(self, tensors: Parameters) -> None:
        own = set(self._own) | self._own_names()
        if not set(tensors) <= own or any(tensors[n].size != self._begun[n].size for n in tensors):
            raise ValueError(f"tensors {sorted(tensors)[:6]} are not those that this node keeps")
        shaped = {name: array.reshape(self._begun[name].shape) for name, array in tensors.items()}
        self._kept = {name: shaped[name] for name in self._own_names() if name in shaped}
        self._own = {name: shaped[name] for name in self._own if name in shaped}

    def cost(self, stage: str) -> WorkCost:
        """As TaskWorkload: a second model doubles the operations of training, what stays at home is not sent. The
        measurement after the training is not planned, and is metered."""
        found = super().cost(stage)
        kept = VALUE_BYTES * sum(self._begun[name].size for name in self._personal.home)
        trains = stage not in ("preparation", "application") and self._personal.pull is not None
        return replace(
            found,
            flop_per_batch=found.flop_per_batch * (2 if trains else 1),
            model_bytes=found.model_bytes - kept,
        )

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        """As TaskWorkload; what is returned are the tensors that travel. Operations include those of a second model and
        of the measurement."""
        found = super().train(parameters, batches, options, stop)
        flop = found.flop
        if self._personal.pull is not None:
            flop += self._train_own(parameters, batches, options, stop)
        accuracy, examples = (None, 0) if self.config.personal is None else self._accuracy()
        return replace(
            found,
            parameters={
                name: array for name, array in found.parameters.items() if name not in self._personal.home
            },
            flop=flop + examples * self.task.flop().forward,
            personal_accuracy=accuracy,
        )

    def _train_own(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None,
    ) -> float:
        """Train Ditto's second model; returns the operations."""
        model = self.model()
        load_arrays(model, self._own)
        pulled = {**options, "proximal-mu": float(self._personal.pull or 0.0)}
        _, steps = self._descend(batches, pulled, stop, anchor=parameters)
        self._own = to_arrays(model)
        sizes = [len(next(iter(batch.values()))) for batch in batches]
        return training_flop(self.task, 1, sum(sizes[k % len(sizes)] for k in range(steps)))

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        """Answer with the node's own model."""
        return super().infer({**parameters, **self._own}, batches)

    def _accuracy(self) -> tuple[float | None, int]:
        """Of this thread's model, as it is: (accuracy, examples that it was asked)."""
        model, right = self.model().eval(), 0.0
        asked = 0
        for share, chosen in self._mixture:
            correct, answers = right_of(self.task, model, self.data, chosen)
            if not answers:
                return None, asked
            right += share * correct / answers
            asked += len(chosen)
        return right, asked

    @cached_property
    def _mixture(self) -> list[tuple[float, NDArray[np.int64]]]:
        return mixture(self.data, self.share)


def mixture(data: Dataset, share: NDArray[np.int64]) -> list[tuple[float, NDArray[np.int64]]]:
    """Held-out examples of each class that a node has, with the class's part in the node's share (they add up to 1).
    All held-out examples at once, where these have no classes."""
    name = next((n for n, a in data.train.items() if a.ndim == 1 and np.array_equal(a, data.groups)), None)
    everything = np.arange(data.num_test)
    if name is None or not data.num_classes:
        return [(1.0, everything)]
    classes, counts = np.unique(data.groups[share], return_counts=True)
    found = [(int(n), everything[data.test[name] == c]) for c, n in zip(classes, counts, strict=True)]
    found = [(count, chosen) for count, chosen in found if len(chosen)]
    total = sum(count for count, _ in found)
    return [(count / total, chosen) for count, chosen in found] if total else [(1.0, everything)]


def right_of(task: Task, model: nn.Module, data: Dataset, chosen: NDArray[np.int64]) -> tuple[int, int]:
    """(right answers, answers) of ``model``, in evaluation mode, on these held-out examples."""
    right = answered = 0
    with torch.inference_mode():
        for start in range(0, len(chosen), task.evaluation_chunk):
            part = chosen[start : start + task.evaluation_chunk]
            x, y = task.placed(model, {name: array.take(part, 0) for name, array in data.test.items()})
            correct, answers = task.correct(task.output(model, x), y)
            right, answered = right + correct, answered + answers
    return right, answered
