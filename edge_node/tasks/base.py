"""Interface of a task: a data set, a model, a loss and how its work is counted. One file a task."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.state import on_device, to_arrays
from edge_node.tasks.steps import SgdSteps, Step, StepOptions, is_rounding
from edge_node.workload import Arrays


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
    """Mean loss: of our tasks cross-entropy in nat (per image, or per predicted token)."""
    accuracy: float
    """Share of right answers, 0..1; NaN where a task has none."""
    examples: int
    flop: float

    @property
    def perplexity(self) -> float:
        """exp(loss): for text, among how many characters the model is as good as undecided."""
        return math.exp(self.loss)


@dataclass(frozen=True, slots=True)
class Columns:
    """Examples as rows of numbers, each row centred on its mean, and the linear layer that takes them first."""

    array: str
    """Name of the array that is divided."""
    count: int
    """Numbers in a row."""
    scale: float
    """Of a number above its row's mean, as the model takes it."""
    layer: str
    """Name of an ``nn.Linear`` of the model."""
    target: str
    """Name of the array of labels, which only their holder has."""


@runtime_checkable
class Checked(Protocol):
    """A task that can be wrong, because users write its parts."""

    def check(self, batch_size: int) -> None:
        """Try it before anything starts. Raises ValueError for what would fail in a run."""
        ...


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
    trained_before: bool = False
    """Whether the model it begins with is trained already, so that training must not make it worse."""

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
    def inputs(self, batch: Arrays) -> tuple[Any, Tensor]:
        """Model input (a tensor, unless ``output`` takes more) and target of a batch: the input transform."""

    def output(self, model: nn.Module, x: Any) -> Any:
        """The model's output for an input."""
        return model(x)

    @abstractmethod
    def loss(self, output: Any, target: Tensor) -> Tensor:
        """Mean loss of a batch."""

    @abstractmethod
    def correct(self, output: Any, target: Tensor) -> tuple[int, int]:
        """Right answers and answers in a batch; (0, 0) for a task in which none is right or wrong."""

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

    def columns(self) -> Columns | None:
        """How its examples divide into columns; None: they do not."""
        return None

    def plain_steps(self) -> bool:
        """Whether its steps are SGD without memory or draws, so that two parts of the model take the steps of the
        whole."""
        return type(self).steps is Task.steps

    def kept(self) -> frozenset[str]:
        """Names of the model's tensors that each node keeps to itself."""
        return frozenset()

    def placed(self, model: nn.Module, batch: Arrays) -> tuple[Any, Tensor]:
        """``inputs`` on the device of ``model``."""
        return self.inputs_on(next(model.parameters()).device, batch)

    def inputs_on(self, device: torch.device, batch: Arrays) -> tuple[Any, Tensor]:
        """``inputs`` on ``device``."""
        x, y = self.inputs(batch)
        return (x, y) if device.type == "cpu" else (on_device(x, device), y.to(device))

    def steps(self, model: nn.Module, options: StepOptions) -> Step:
        """Steps of a round's training, on the parameters that ``model`` has now."""
        return SgdSteps(self, model, options)

    def sgd_step(
        self, model: nn.Module, parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float
    ) -> Tensor:
        """One step of plain SGD in place; returns the batch's mean loss before the step.

        No optimiser object: constructing one imports torch._dynamo (3 CPU-seconds a process), and the fused
        update below is quicker; gradients are not kept, so that none is set to zero. Results equal
        ``torch.optim.SGD`` to rounding. Within ``torch.autocast`` products are of its type, the loss is not.
        """
        loss = self.loss(self.output(model, x).float(), y)
        plain = torch.autocast(loss.device.type, enabled=False) if is_rounding(loss.device) else nullcontext()
        with plain:
            gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-learning_rate)
        return loss.detach()

    def initial_parameters(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """The global model before round one; the same for the same seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return to_arrays(self.model())


def to_tensor(array: NDArray[Any], dtype: torch.dtype | None = None) -> Tensor:
    """Copy of an array as a tensor, converted on the way; the array may be read-only (off the wire)."""
    if dtype is None:
        return torch.from_numpy(np.array(array, order="C"))
    tensor = torch.empty(array.shape, dtype=dtype)
    np.copyto(tensor.numpy(), array, casting="unsafe")
    return tensor
