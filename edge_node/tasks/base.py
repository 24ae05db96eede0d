"""Interface of a task: a data set, a model, a loss and how its work is counted. One file a task."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_node.tasks.data.dataset import Dataset
from edge_node.workload import Arrays, Parameters


@dataclass(frozen=True, slots=True)
class FlopCount:
    """Counted work of one example, a multiplication and an addition being two operations."""

    forward: float
    """Inference."""
    train: float
    """Forward and backward pass of one local step, without the update (< 1 % at batches above 30)."""


@dataclass(frozen=True, slots=True)
class Served:
    """One batch of requests answered."""

    requests: int
    input_tokens: int
    """Read by a task that generates; 0 for classifications, which have no tokens."""
    output_tokens: int
    """Generated."""
    payload_bits: int
    """Bits of the requests and of the answers, as they travel."""
    correct: int
    flop: float
    decode_flop: float = 0.0
    """Of ``flop``, what was done token by token after the pass over the input."""
    decode_s: float = 0.0
    """Seconds really spent in it (CPU time of this thread)."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model on the held-out test set."""

    loss: float
    """Mean cross-entropy in nat (per image, or per predicted token)."""
    accuracy: float
    """Share of right answers, 0..1."""
    examples: int
    flop: float

    @property
    def perplexity(self) -> float:
        """exp(loss): for text, among how many characters the model is as good as undecided."""
        return math.exp(self.loss)


class Task(ABC):
    """A learning task. Stateless: parameters come in and go out; one instance serves a whole process."""

    name: str
    default_data: str
    """Data set that works without any download."""
    data_names: tuple[str, ...]
    tokens_per_request: tuple[int, int] = (0, 0)
    """Input and generated tokens of one request. A class is an answer, not a token: (0, 0) unless the task
    generates."""
    evaluation_chunk: int = 500
    """Examples evaluated at a time: activations stay small."""

    @abstractmethod
    def dataset(self, name: str) -> Dataset:
        """Data set by name. Raises ValueError for an unknown name, DataError for lacking files."""

    def resolve_data(self, name: str) -> str:
        """Name of the data really used, where ``name`` leaves a choice (``auto``)."""
        return name

    @abstractmethod
    def recycling_data(self, name: str) -> str:
        """Data set of the second task, to which a model of data ``name`` is transferred by default."""

    @abstractmethod
    def model(self) -> nn.Module:
        """A new model; its parameters are drawn from torch's global generator."""

    @abstractmethod
    def inputs(self, batch: Arrays) -> tuple[Tensor, Tensor]:
        """Model input and target of a batch: the input transform."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean loss of a batch, in nat."""

    @abstractmethod
    def correct(self, output: Tensor, target: Tensor) -> tuple[int, int]:
        """Right answers and answers in a batch."""

    @abstractmethod
    def flop(self) -> FlopCount:
        """Counted work per example, from the layers (edge_node.tasks.flops)."""

    def serve_flop(self) -> float:
        """Counted work of one request."""
        return self.flop().forward

    def for_requests(self, prompt_tokens: int | None, answer_tokens: int | None) -> Task:
        """This task with requests of other lengths (None: its own). Raises ValueError where it has none."""
        if prompt_tokens is None and answer_tokens is None:
            return self
        raise ValueError(
            f"task {self.name} generates no tokens; prompt_tokens and answer_tokens are for tasks that do"
        )

    def requests(self, examples: Arrays) -> Arrays:
        """What of these test examples a request carries: all of it, unless a task needs less."""
        return examples

    @abstractmethod
    def request_bytes(self) -> tuple[int, int]:
        """Bytes of one request and of its answer as they travel: what ``serve`` counts in ``payload_bits``."""

    @abstractmethod
    def serve(self, model: nn.Module, batch: Arrays) -> Served:
        """Answer a batch of requests with ``model``."""

    @abstractmethod
    def prepare(self, batch: Arrays) -> float:
        """Preprocess one raw batch for real (check, transform, statistics); returns the operations counted.

        Raises ValueError when the batch is not what the task needs.
        """

    @abstractmethod
    def prepare_flop(self, examples: int) -> float:
        """What ``prepare`` counts for that many examples."""

    def sgd_step(
        self, model: nn.Module, parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float
    ) -> Tensor:
        """One step of plain SGD in place; returns the batch's mean loss before the step.

        No optimiser object: constructing one imports torch._dynamo (3 CPU-seconds a process), and the fused
        update below is quicker; gradients are not kept, so that none is set to zero. Results equal
        ``torch.optim.SGD`` to rounding. Within ``torch.autocast`` products are of its type, the loss is not.
        """
        loss = self.loss(model(x).float(), y)
        with torch.autocast("cpu", enabled=False):
            gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-learning_rate)
        return loss.detach()

    def initial_parameters(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The global model before round one; the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return to_arrays(self.model())


def to_arrays(model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copy of a model's parameters by name, float32."""
    buffers = set(model.state_dict()) - {name for name, _ in model.named_parameters(remove_duplicate=False)}
    if buffers:
        raise ValueError(
            f"model {type(model).__name__} has state besides its parameters ({', '.join(sorted(buffers))}); "
            "federated averaging exchanges parameters only: use group or layer norm instead of batch norm"
        )
    return {name: p.detach().numpy(force=True).copy(order="C") for name, p in model.named_parameters()}


def load_arrays(model: nn.Module, parameters: Parameters) -> list[Tensor]:
    """Copy ``parameters`` into ``model``; returns its parameter tensors in the model's order.

    Raises ValueError for names or shapes that are not the model's own.
    """
    own = dict(model.named_parameters())
    if own.keys() != parameters.keys():
        raise ValueError(
            f"parameters do not fit {type(model).__name__}: got {sorted(parameters)}, expected {sorted(own)}"
        )
    for name, tensor in own.items():
        array = parameters[name]
        if tuple(array.shape) != tuple(tensor.shape):
            raise ValueError(
                f"parameter {name} of {type(model).__name__}: got shape {tuple(array.shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
        np.copyto(tensor.detach().numpy(), array, casting="same_kind")
    return list(own.values())


def to_tensor(array: NDArray[Any], dtype: torch.dtype | None = None) -> Tensor:
    """Copy of an array as a tensor, converted on the way; the array may be read-only (off the wire)."""
    if dtype is None:
        return torch.from_numpy(np.array(array, order="C"))
    tensor = torch.empty(array.shape, dtype=dtype)
    np.copyto(tensor.numpy(), array, casting="unsafe")
    return tensor
