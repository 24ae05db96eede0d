"""A user's task tried on a few of its examples, before anything starts: what is counted, and what would fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from edge_node.tasks.base import FlopCount
from edge_node.tasks.own.answers import answer_bytes
from edge_node.tasks.own.counting import counted
from edge_node.tasks.own.errors import TaskError, user_code
from edge_node.tasks.state import EXACT, state_of, to_arrays
from edge_node.tasks.steps import StepOptions

if TYPE_CHECKING:
    from edge_node.tasks.own.torch_task import TorchTask

COUNTED_ON = 2
"""Examples of a counted batch: batch normalisation needs more than one."""
TRIED_SEED = 0


@contextmanager
def _apart() -> Iterator[None]:
    """Draws within change no draw after it; gradients, also for a node that serves before it learns."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(TRIED_SEED)
        yield


class Trial:
    """A task with a model of its own. Raises TaskError, in a sentence, for a task that cannot be run."""

    def __init__(self, task: TorchTask, model: nn.Module, flop: tuple[float, float] | None) -> None:
        require_exchangeable(model)
        self._task, self._given = task, flop
        with _apart():
            # A model that was made in inference mode has no gradients, ever: its copy has.
            self._model = task.model()
            self._model.load_state_dict(model.state_dict())

    def _batch(self, examples: int) -> tuple[Any, Tensor]:
        train = self._task.dataset(self._task.default_data).train
        size = len(next(iter(train.values())))
        chosen = np.arange(examples) % size
        before = torch.get_rng_state()
        found = self._task.inputs({name: array[chosen] for name, array in train.items()})
        if not torch.equal(before, torch.get_rng_state()):
            raise TaskError(
                "transform draws at random, and it is for held-out examples too; draw in the model's forward, where "
                "self.training says whether it trains"
            )
        return found

    def _output(self, x: Any) -> Any:
        with user_code("the model"):
            return self._task.output(self._model, x)

    def _loss(self, output: Any, y: Tensor) -> Tensor:
        with user_code(f"the loss, of an output {described(output)} and a target {described(y)}"):
            loss = self._task.loss(output, y)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise TaskError(
                f"the loss is {described(loss)}; it has to be one number, the batch's mean (reduction='mean')"
            )
        return loss

    @cached_property
    def flop(self) -> FlopCount:
        """Counted operations of an example. Raises TaskError where there are none."""
        if self._given is not None:
            return FlopCount(*self._given)
        with _apart():
            x, y = self._batch(COUNTED_ON)

            def train() -> None:
                loss = self._loss(self._output(x), y)
                require_gradient(self._model, loss)
                with user_code("the backward pass"):
                    loss.backward()

            self._model.eval()
            forward = counted(lambda: self._output(x)) / COUNTED_ON
            self._model.train()
            training = counted(train) / COUNTED_ON
        if forward <= 0 or training <= 0:
            raise TaskError(
                "torch's counter finds no operations in the model (it counts matrix products, convolutions and "
                "attention): give flop=(forward, training), the operations of an example"
            )
        return FlopCount(forward, training)

    @cached_property
    def draws(self) -> bool:
        """Whether a training step draws at random."""
        with _apart():
            x, y = self._batch(COUNTED_ON)
            self._model.train()
            before = torch.get_rng_state()
            self._loss(self._output(x), y)
            return not torch.equal(before, torch.get_rng_state())

    @cached_property
    def answer_bytes(self) -> int:
        """Of an example."""
        with _apart():
            x, y = self._batch(COUNTED_ON)
            self._model.eval()
            return answer_bytes(self._output(x), y)

    def step(self, batch_size: int) -> None:
        """An evaluation and a training step on a batch of that size. Raises TaskError."""
        _ = self.flop
        with _apart():
            x, y = self._batch(batch_size)
            self._model.eval()
            output = self._output(x)
            self._loss(output, y)
            with user_code("correct"):
                self._task.correct(output, y)
            answer_bytes(output, y)
            self._model.train()
            with user_code("the optimiser"):
                step = self._task.steps(self._model, StepOptions(learning_rate=1e-6))
            with user_code(f"a training step on a batch of {batch_size}"):
                step(x, y, TRIED_SEED)


def require_fresh(make: Callable[[], nn.Module], seeded: Callable[[int], nn.Module]) -> None:
    """Refuse a model_fn that returns one model twice, or other models for one seed. Raises TaskError."""
    first, second = seeded(TRIED_SEED), seeded(TRIED_SEED)
    require_exchangeable(first)
    weights, again = ({p.data_ptr() for p in model.parameters() if p.numel()} for model in (first, second))
    if first is second or weights & again:
        raise TaskError(
            "model_fn returns the same weights twice; make a new model in each call (copy.deepcopy for one that is "
            "loaded once)"
        )
    one, other = to_arrays(first), to_arrays(second)
    if one.keys() != other.keys():
        raise TaskError(
            "model_fn makes models of different layers: "
            f"{', '.join(sorted(one.keys() ^ other.keys())[:3])} is in one and not in the next"
        )
    for name in one:
        if not np.array_equal(one[name], other[name], equal_nan=True):
            raise TaskError(
                f"model_fn is not deterministic: {name} differs between two models of the same seed (shapes "
                f"{one[name].shape} and {other[name].shape}); draw from torch's, numpy's or Python's global generator"
            )


def require_exchangeable(model: nn.Module) -> None:
    """Refuse tensors that do not travel as float32. Raises TaskError."""
    if not (state := state_of(model)):
        raise TaskError(f"model {type(model).__name__} has no parameters; there is nothing to learn")
    for name, tensor in state.items():
        if is_lazy(tensor):
            raise TaskError(f"{name} has no shape yet (a lazy layer); give the layer its input size")
        if tensor.is_meta:
            raise TaskError(f"{name} has no values (device meta); make the model on the CPU")
        if tensor.device.type != "cpu":
            raise TaskError(
                f"{name} is on device {tensor.device}; make the model on the CPU, and let task.device say where it "
                "is trained"
            )
        if tensor.is_floating_point() and tensor.dtype is not torch.float32:
            raise TaskError(
                f"{name} is {tensor.dtype}; models are exchanged as float32: call .float() on the model"
            )
        if tensor.is_complex():
            raise TaskError(f"{name} is {tensor.dtype}; give its real and imaginary part as two tensors")
        if not tensor.is_floating_point() and tensor.numel() and float(tensor.double().abs().max()) > EXACT:
            raise TaskError(
                f"{name} holds whole numbers above {EXACT}, which float32 does not keep exactly; register the buffer "
                "with persistent=False if it is a constant"
            )


def require_gradient(model: nn.Module, loss: Tensor) -> None:
    """Raises TaskError where nothing can be learned."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TaskError("all parameters are frozen (requires_grad = False); leave at least one trainable")
    if not loss.requires_grad:
        raise TaskError(
            "the loss does not depend on any trainable parameter (detached, or computed without gradients)"
        )


def kept_names(model: nn.Module, local: Sequence[str | type[nn.Module]]) -> frozenset[str]:
    """Names of tensors that a pattern matches, or that are in a layer of a class. Raises TaskError for an entry that
    matches none."""
    found: set[str] = set()
    names = list(state_of(model))
    for entry in local:
        if isinstance(entry, str):
            matched = {name for name in names if fnmatchcase(name, entry)}
        elif isinstance(entry, type) and issubclass(entry, nn.Module):
            layers = [
                f"{path}." if path else ""
                for path, layer in model.named_modules()
                if isinstance(layer, entry)
            ]
            matched = {name for name in names if name.startswith(tuple(layers))}
        else:
            raise TaskError(
                f"local holds {entry!r}; allowed are patterns of tensor names, such as 'norm*', and classes of layers"
            )
        if not matched:
            shown = entry if isinstance(entry, str) else entry.__name__
            raise TaskError(
                f"local: nothing in the model is {shown!r}; its tensors are {', '.join(names[:12])}"
            )
        found |= matched
    return frozenset(found)


def described(value: Any) -> str:
    """A tensor's type and shape; of others the class."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
