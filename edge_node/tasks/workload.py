"""The Workload of any task: a node's share of the data, its batches by number, and work on them."""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.base import Served, Task
from edge_node.tasks.device import find_device
from edge_node.tasks.partition import SKEWED, split
from edge_node.tasks.registry import configured_task, find_task
from edge_node.tasks.state import load_arrays, state_bytes, to_arrays
from edge_node.tasks.steps import SgdSteps, StepOptions
from edge_node.workload import (
    TRAIN_OPTIONS,
    Arrays,
    InferResult,
    Parameters,
    Stop,
    TrainResult,
    UserBytes,
    WorkCost,
)
from protos.messages.terms import Stage

IDS = "ids"
"""Array of a training batch that names its examples: by it distinct examples are counted."""

TOGETHER_BYTES = 2**20
"""Of inputs that are converted together: the second cache of a core of today's servers holds 1 to 2 MiB."""

_modules = threading.local()
"""One module a task and thread, for all nodes: parameters come and go, and threads may train at once."""


class TaskWorkload:
    """One node's share of a data set with the model to train on it (edge_node.workload.Workload).

    Batch k of a stage is the k-th run of ``batch_size`` examples in an endless sequence of passes over the
    share, each pass in its own order: all batches are equally large, and the same number always means the
    same examples.
    Own and offloaded batches are treated alike. Deterministic for one thread.
    """

    def __init__(self, config: TaskConfig, inference: InferenceConfig | None = None) -> None:
        """Raises ValueError for names or sizes that do not fit, DataError for lacking data files."""
        if config.partition_index >= config.partitions:
            raise ValueError(
                f"partition_index must be below partitions = {config.partitions}, "
                f"got {config.partition_index}"
            )
        self.config = config
        self.inference = inference or InferenceConfig()
        self.task: Task = configured_task(config.name, config.prompt_tokens, config.answer_tokens)
        self.device = find_device(config.device)
        self.data = self.task.dataset(config.data)
        shares = _shares(
            config.name,
            config.data,
            config.partition,
            config.partitions,
            config.seed,
            config.dirichlet_alpha,
        )
        self.share = shares[config.partition_index]
        """Numbers of this node's examples in the data set."""
        self._requests = np.arange(self.data.num_test)
        self._kept: Parameters = {}
        """Of the tensors that this node keeps to itself, as it last left them; none before it has trained."""
        self._orders: dict[tuple[str, int], NDArray[np.int64]] = {}

    @property
    def num_examples(self) -> int:
        return len(self.share)

    @property
    def num_batches(self) -> int:
        """Batches that cover the share once; the last one reaches into the next pass."""
        return -(-self.num_examples // self.config.batch_size)

    @cached_property
    def digest(self) -> str:
        """sha256 over names, types, shapes and bytes of the share's arrays."""
        return share_digest(self.data.train, self.share)

    def cost(self, stage: str) -> WorkCost:
        """Counted operations and payload bytes of one batch of ``stage``."""
        examples = self._batch_size(stage)
        if stage == Stage.APPLICATION:
            per_batch = examples * self.task.serve_flop()
        elif stage == Stage.PREPARATION:
            per_batch = self.task.prepare_flop(examples)
        else:
            per_batch = examples * self.task.flop().train * self.config.local_epochs
        model_bytes = state_bytes(self.model())
        batch = self.batch(0, stage)
        users = self.user_bytes(batch, stage)
        size = sum(array.nbytes for array in batch.values())
        return WorkCost(per_batch, size, model_bytes, users.up_bytes, users.down_bytes)

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        """Requests and answers; in the preparation stage the examples, without the numbers that name them here."""
        if stage == Stage.APPLICATION:
            request, answer = self.task.request_bytes()
            return UserBytes(_examples(batch) * request, _examples(batch) * answer)
        if stage == Stage.PREPARATION:
            return UserBytes(sum(array.nbytes for name, array in batch.items() if name != IDS), 0)
        return UserBytes(0, 0)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        """Arrays of own batch ``batch_id`` >= 0; in the application stage, requests from the test set."""
        chosen = self.examples(batch_id, stage)
        if stage == Stage.APPLICATION:
            return self.task.requests({name: array.take(chosen, 0) for name, array in self.data.test.items()})
        return self.training_batch(chosen)

    def training_batch(self, chosen: NDArray[np.int64]) -> Arrays:
        """Arrays of these examples, of this node's share or another's."""
        return {**{name: array.take(chosen, 0) for name, array in self.data.train.items()}, IDS: chosen}

    def examples(self, batch_id: int, stage: str) -> NDArray[np.int64]:
        """Numbers of the examples of own batch ``batch_id`` >= 0 in the data set."""
        if batch_id < 0:
            raise ValueError(f"batch_id must be >= 0, got {batch_id}")
        serving = stage == Stage.APPLICATION
        examples, size = (self._requests if serving else self.share), self._batch_size(stage)
        parts, position, stop = [], batch_id * size, (batch_id + 1) * size
        while position < stop:
            number, place = divmod(position, len(examples))
            parts.append(self._order(number, examples, serving)[place : place + stop - position])
            position += len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def prepare(self, batches: Sequence[Arrays]) -> float:
        return float(sum(self.task.prepare(batch) for batch in batches))

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        """Steps over ``batches`` in their order, ``local_epochs`` times; products of the task's ``precision``. An
        optimiser begins anew in each slot; tensors that the node keeps to itself go on from its last training.

        Options: ``proximal-mu`` (FedProx, Li et al. 2020, arXiv:1812.06127: mu/2 |w - w_global|^2 is added to
        the loss), ``learning-rate``, ``local-epochs``. Raises ValueError for others, and for no batches.

        Stopped, as many batches count as done as the steps taken make up, and every example that was used.
        """
        model = self._with(parameters)
        loss, steps = self._descend(batches, options, stop)
        trained = to_arrays(model)
        self._kept = {name: trained[name] for name in self._own_names()}
        epochs, used = self.epochs(options), batches[:steps]
        return TrainResult(
            parameters=trained,
            num_examples=distinct_examples(used) if used else 0,
            batches=steps // epochs,
            mean_loss=loss,
            flop=training_flop(self.task, 1, sum(_examples(batches[k % len(batches)]) for k in range(steps)))
            if steps < epochs * len(batches)
            else training_flop(self.task, epochs, sum(_examples(batch) for batch in batches)),
        )

    def _own_names(self) -> frozenset[str]:
        """Names of the tensors that the node goes on with by itself."""
        return self.task.kept()

    def epochs(self, options: Mapping[str, float]) -> int:
        """Passes over the batches of a slot."""
        return int(options.get("local-epochs", self.config.local_epochs))

    def descend(self, batches: Sequence[Arrays], options: Mapping[str, float]) -> float:
        """``train`` on the parameters that this thread's model has, in place; returns the mean loss of its steps."""
        return self._descend(batches, options, None)[0]

    def _descend(
        self,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None,
        anchor: Parameters | None = None,
    ) -> tuple[float, int]:
        """(mean loss, steps) of a descent that may be stopped before any step. ``anchor``: what the proximal term pulls
        to; None: the parameters before the first step."""
        if unknown := set(options) - TRAIN_OPTIONS:
            raise ValueError(f"unknown training options {sorted(unknown)}; allowed: {sorted(TRAIN_OPTIONS)}")
        if not batches:
            raise ValueError("no batches to train on: a node without work is not asked to train")
        epochs = self.epochs(options)
        model = self.model().train()
        step = self.task.steps(
            model,
            StepOptions(
                learning_rate=float(options.get("learning-rate", self.config.learning_rate)),
                proximal_mu=float(options.get("proximal-mu", 0.0)),
                precision=self.config.precision,
                anchor=anchor,
            ),
        )
        plain = isinstance(step, SgdSteps)  # which draws nothing
        total, steps = torch.zeros((), device=self.device), 0
        for batch, (x, y) in zip(itertools.cycle(batches), self._converted(batches, epochs), strict=False):
            if stop is not None and stop():
                break
            total += step(x, y, 0 if plain else self._number(batch, steps // len(batches)))
            steps += 1
        return (total.item() / steps if steps else math.nan), steps

    def _converted(self, batches: Sequence[Arrays], epochs: int) -> Iterator[tuple[Any, Tensor]]:
        """Input and target of every step. Converted once where they are used again; else as many together as the
        second cache holds, which is quicker than one between every two steps."""
        if epochs > 1:
            prepared = [self.task.inputs_on(self.device, batch) for batch in batches]
            for _ in range(epochs):
                yield from prepared
            return
        done, count = 0, 1
        while done < len(batches):
            group = [self.task.inputs_on(self.device, batch) for batch in batches[done : done + count]]
            yield from group
            done += count
            x = group[0][0]
            count = max(1, TOGETHER_BYTES // max(1, x.nbytes)) if isinstance(x, Tensor) else 1

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        """Answer the requests of ``batches`` with the model of these parameters."""
        model = self._with(parameters).eval()
        with torch.inference_mode():
            served = [self.task.serve(model, batch) for batch in batches]
        return _total(served)

    def _with(self, parameters: Parameters) -> nn.Module:
        """This thread's model with ``parameters``, and what the node keeps to itself in place of theirs."""
        model = self.model()
        load_arrays(model, {**parameters, **self._kept})
        return model

    def _number(self, batch: Arrays, passed: int) -> int:
        """Of a step: the same examples in the same pass draw the same numbers (dropout), wherever they are trained."""
        return zlib.crc32(batch[IDS].tobytes(), zlib.crc32(f"{self.config.seed} {passed}".encode()))

    def model(self) -> nn.Module:
        """This thread's model of the task: one for all nodes, whose parameters come and go."""
        if not hasattr(_modules, "by_task"):
            _modules.by_task = {}
        by_task: dict[tuple[Task, torch.device], nn.Module] = _modules.by_task
        key = (self.task, self.device)
        if key not in by_task:
            by_task[key] = self.task.model().to(self.device)
        return by_task[key]

    def _batch_size(self, stage: str) -> int:
        return self.inference.requests_per_batch if stage == Stage.APPLICATION else self.config.batch_size

    def _order(self, number: int, examples: NDArray[np.int64], serving: bool) -> NDArray[np.int64]:
        """``examples`` in the order of pass ``number``."""
        key = ("requests" if serving else "share", number)
        if key not in self._orders:
            # A batch spans few passes and they are asked for in turn: keep a handful, not all of them.
            while len(self._orders) >= 8:
                del self._orders[next(iter(self._orders))]
            seed = (self.config.seed, self.config.partition_index, int(serving), number)
            self._orders[key] = examples[np.random.default_rng(seed).permutation(len(examples))]
        return self._orders[key]


@lru_cache(maxsize=8)
def untrained_parameters(task: str, seed: int) -> Parameters:
    """A task's model before any training, one copy for all nodes of a process."""
    parameters = find_task(task).initial_parameters(seed)
    for array in parameters.values():
        array.setflags(write=False)
    return parameters


@lru_cache(maxsize=8)
def _shares(
    task: str, data: str, kind: str, partitions: int, seed: int, alpha: float
) -> tuple[NDArray[np.int64], ...]:
    # Kept: a process that hosts a thousand nodes would split the same data a thousand times.
    found = find_task(task).dataset(data)
    if kind in SKEWED and found.num_classes == 0:
        raise ValueError(
            f"partition {kind!r} divides classes unevenly, and data {data} of task {task} have none; give "
            'partition = "iid", or a class for each example (TorchTask: groups=)'
        )
    return tuple(split(kind, found.groups, partitions, seed, alpha))


def training_flop(task: Task, epochs: int, examples: int) -> float:
    """Counted operations of training on ``examples``, ``epochs`` times."""
    return epochs * examples * task.flop().train


def distinct_examples(batches: Sequence[Arrays]) -> int:
    """Different examples in ``batches``: the aggregation weight."""
    return distinct([batch[IDS] for batch in batches])


def distinct(numbers: Sequence[NDArray[np.int64]]) -> int:
    """Different numbers in several arrays."""
    return len(set(np.concatenate(numbers).tolist()))


def share_digest(arrays: Arrays, chosen: NDArray[np.int64]) -> str:
    """sha256 over the chosen examples: name, dtype, shape and bytes of every array in name order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        part = np.ascontiguousarray(arrays[name][chosen])
        digest.update(f"{name} {part.dtype.str} {part.shape}\n".encode())
        digest.update(part.data)
    return digest.hexdigest()


def _examples(batch: Arrays) -> int:
    return len(next(iter(batch.values())))


def _total(served: Sequence[Served]) -> InferResult:
    return InferResult(
        requests=sum(s.requests for s in served),
        input_tokens=sum(s.input_tokens for s in served),
        output_tokens=sum(s.output_tokens for s in served),
        payload_bits=sum(s.payload_bits for s in served),
        correct=sum(s.correct for s in served),
        batches=len(served),
        flop=sum(s.flop for s in served),
        decode_flop=sum(s.decode_flop for s in served),
        decode_s=sum(s.decode_s for s in served),
    )
