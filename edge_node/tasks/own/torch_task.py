"""``TorchTask``: any torch module and any map-style data set as a task whose batches move between nodes."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_data.units import BITS_PER_BYTE
from edge_node.tasks.base import FlopCount, Served, Task, to_tensor
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.own.answers import right_answers
from edge_node.tasks.own.errors import TaskError, user_code
from edge_node.tasks.own.examples import TARGET, Form, read_examples
from edge_node.tasks.own.optimiser import MakeOptimiser, OptimiserSteps, PlainSgd
from edge_node.tasks.own.second import second_target
from edge_node.tasks.own.trial import Trial, kept_names, require_fresh
from edge_node.tasks.state import to_arrays
from edge_node.tasks.steps import Step, StepOptions
from edge_node.workload import Arrays

OWN, SECOND = "own", "second"
"""The two data sets of a task: its own, and that of the recycling stage."""
PREPARE_FLOP_PER_VALUE = 2.0
"""Lowest and highest."""


class TorchTask(Task):
    """A model, a data set, an optimiser and a loss.

    Args:
        model_fn: Makes a new model, drawing from torch's generator. Its floating-point tensors are float32.
        train_set: Map-style data set of (input, target), or a function that returns one. The input is what the model
            takes: a tensor, a tuple of tensors, or a dictionary of its arguments.
        test_set: The same for held-out examples.
        optimizer: Called with the trainable parameters and ``lr`` (the scenario's task.learning_rate), e.g.
            ``torch.optim.Adam`` or ``functools.partial(torch.optim.SGD, momentum=0.9)``; None: plain SGD. It begins
            anew in every slot.
        loss: Mean loss of a batch, from the model's output and the target.
        transform: From stored inputs to the model's, by the batch, e.g. ``lambda x: x.float() / 255``. What is stored
            travels when a batch moves.
        correct: (right answers, answers) of a batch, from output and target; None: of classes the highest output, of
            other targets none.
        groups: Class of each training example, for uneven partitions; None: the target, where it is one whole number.
        local: Patterns of tensor names (``"norm*"``) and classes of layers (``nn.BatchNorm2d``) that each node keeps to
            itself.
        flop: (forward, training) operations of an example, where torch's counter does not know the model's.
        second: (train_set, test_set) of the recycling stage; None: the same inputs, with classes renamed (numbers:
            mirrored).
        name: Its name in messages.
    """

    default_data = OWN
    data_names = (OWN, SECOND)

    def __init__(
        self,
        model_fn: Callable[[], nn.Module],
        train_set: Any,
        test_set: Any,
        *,
        optimizer: MakeOptimiser | None = None,
        loss: Callable[[Any, Tensor], Tensor] = F.cross_entropy,
        transform: Callable[[Any], Any] | None = None,
        correct: Callable[[Any, Tensor], tuple[int, int]] | None = None,
        groups: Sequence[int] | NDArray[Any] | Tensor | None = None,
        local: Sequence[str | type[nn.Module]] = (),
        flop: tuple[float, float] | None = None,
        second: tuple[Any, Any] | None = None,
        name: str = "torch-task",
    ) -> None:
        """Raises TaskError for arguments of the wrong kind. Nothing is read or made before it is needed."""
        if isinstance(model_fn, nn.Module) or not callable(model_fn):
            raise TaskError(
                f"model_fn is a {type(model_fn).__name__}; give a function that makes a new model, such as the class "
                "itself or lambda: Net(10)"
            )
        for what, given in (("loss", loss), ("optimizer", optimizer), ("transform", transform)):
            if given is not None and not callable(given):
                raise TaskError(
                    f"{what} is a {type(given).__name__}; give a function of PyTorch's form"
                    + (", such as torch.optim.Adam: each node makes its own" if what == "optimizer" else "")
                )
        if flop is not None and (len(flop) != 2 or not all(0 < each < float("inf") for each in flop)):
            raise TaskError(
                f"flop is {flop}; give two numbers above 0: operations of a pass, and of training"
            )
        self.name = name
        self._model_fn, self._optimizer, self._loss = model_fn, optimizer or PlainSgd, loss
        self._transform, self._correct, self._groups = transform, correct, groups
        self._local, self._flop = (local,) if isinstance(local, str | type) else tuple(local), flop
        self._sets: dict[str, tuple[Any, Any] | None] = {OWN: (train_set, test_set), SECOND: second}
        self._read: dict[str, tuple[Form, Dataset]] = {}

    # --- data ----------------------------------------------------------------------------------------------

    def resolve_data(self, name: str) -> str:
        return OWN if name in ("auto", "default") else name

    def recycling_data(self, name: str) -> str:
        """The other of the two."""
        return SECOND if name == OWN else OWN

    def dataset(self, name: str) -> Dataset:
        return self._data(name)[1]

    def _data(self, name: str) -> tuple[Form, Dataset]:
        if name not in self.data_names:
            raise TaskError(
                f"task {self.name} has data {' and '.join(self.data_names)}, got {name!r}; leave data out"
            )
        if name not in self._read:
            self._read[name] = self._derived() if self._sets[name] is None else self._given(name)
        return self._read[name]

    def _given(self, name: str) -> tuple[Form, Dataset]:
        sets = self._sets[name]
        prefix = "" if name == OWN else "second "
        if not isinstance(sets, tuple) or len(sets) != 2:
            raise TaskError(f"second is a {type(sets).__name__}; give (train_set, test_set)")
        read = []
        for what, given in zip((f"{prefix}train_set", f"{prefix}test_set"), sets, strict=True):
            data = given
            if callable(given) and not hasattr(given, "__getitem__"):
                with user_code(what):
                    data = given()
            read.append((what, type(data).__name__, *read_examples(data, what)))
        (_, kind, form, train), (what, _, other, test) = read
        described = [{key: part.shape[1:] for key, part in arrays.items()} for arrays in (train, test)]
        if form != other or described[0] != described[1]:
            raise TaskError(
                f"examples of {what} are {described[1]}, those of the training set {described[0]}; both need the same "
                "parts and shapes"
            )
        origin = (
            f"of the user: {len(train[TARGET])} examples to train on, {len(test[TARGET])} held out ({kind})"
        )
        return form, Dataset(name, origin, train, test, *self._classes(train[TARGET], test[TARGET], name))

    def _derived(self) -> tuple[Form, Dataset]:
        """The second data set where none is given."""
        form, own = self._data(OWN)
        train, test = (
            {**arrays, TARGET: second_target(arrays[TARGET], own.train[TARGET])}
            for arrays in (own.train, own.test)
        )
        origin = f"{own.origin}; targets renamed"
        return form, Dataset(SECOND, origin, train, test, *self._classes(train[TARGET], test[TARGET], OWN))

    def _classes(
        self, target: NDArray[Any], held_out: NDArray[Any], name: str
    ) -> tuple[NDArray[np.int64], int]:
        """(group of each training example, number of groups); (zeros, 0) without classes."""
        if self._groups is not None and name == OWN:
            with user_code("groups"):
                groups = np.asarray(self._groups).astype(np.int64)
            if groups.shape != target.shape[:1]:
                raise TaskError(
                    f"groups has shape {groups.shape}; give one whole number for each of the {len(target)} training "
                    "examples"
                )
            return groups, len(np.unique(groups))
        if target.dtype == np.int64 and target.ndim == 1 and target.min() >= 0:
            return target, int(max(target.max(), held_out.max())) + 1
        return np.zeros(len(target), np.int64), 0

    # --- model ---------------------------------------------------------------------------------------------

    def model(self) -> nn.Module:
        with user_code("model_fn"):
            model = self._model_fn()
        if not isinstance(model, nn.Module):
            raise TaskError(f"model_fn returned a {type(model).__name__}; it returns a new torch.nn.Module")
        return model

    def initial_parameters(self, seed: int) -> dict[str, NDArray[np.float32]]:
        """See Task. Also models that draw from numpy's or Python's global generator are the same for the same seed."""
        return to_arrays(self._seeded(seed))

    def _seeded(self, seed: int) -> nn.Module:
        drawn, state = random.getstate(), np.random.get_state()  # noqa: NPY002 - what user code draws from
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            try:
                return self.model()
            finally:
                random.setstate(drawn)
                np.random.set_state(state)  # noqa: NPY002

    def plain_steps(self) -> bool:
        return self._optimizer is PlainSgd and not self._trial.draws

    def kept(self) -> frozenset[str]:
        return self._kept_names

    @cached_property
    def _kept_names(self) -> frozenset[str]:
        return kept_names(self.model(), self._local)

    def inputs(self, batch: Arrays) -> tuple[Any, Tensor]:
        form, _ = self._data(OWN)
        x = form.input({name: to_tensor(batch[name]) for name in form.names})
        if self._transform is not None:
            with user_code("transform"):
                x = self._transform(x)
        return x, to_tensor(batch[TARGET])

    def output(self, model: nn.Module, x: Any) -> Any:
        if isinstance(x, Mapping):
            return model(**x)
        return model(*x) if isinstance(x, tuple) else model(x)

    def loss(self, output: Any, target: Tensor) -> Tensor:
        return self._loss(output, target)

    def correct(self, output: Any, target: Tensor) -> tuple[int, int]:
        if self._correct is not None:
            right, answers = self._correct(output, target)
            return int(right), int(answers)
        return right_answers(output, target)

    # --- work ----------------------------------------------------------------------------------------------

    @cached_property
    def _trial(self) -> Trial:
        """The task on two of its examples, with the model of seed 0."""
        require_fresh(self.model, self._seeded)
        return Trial(self, self._seeded(0), self._flop)

    def check(self, batch_size: int) -> None:
        """Try a training step on a batch, and an evaluation. Raises TaskError for what would fail in a run."""
        self._trial.step(batch_size)

    def flop(self) -> FlopCount:
        return self._trial.flop

    def steps(self, model: nn.Module, options: StepOptions) -> Step:
        return OptimiserSteps(self._mean_loss, self._optimizer, model, options, draws=self._trial.draws)

    def _mean_loss(self, model: nn.Module, x: Any, y: Tensor, options: StepOptions) -> Tensor:
        with options.products(y.device.type):
            output = self.output(model, x)
        if isinstance(output, Tensor) and output.is_floating_point():
            output = output.float()
        return self.loss(output, y)

    def request_bytes(self) -> tuple[int, int]:
        """An input as it is stored; a class, or the outputs of an example."""
        form, data = self._data(OWN)
        return sum(data.test[name][0].nbytes for name in form.names), self._trial.answer_bytes

    def serve(self, model: nn.Module, batch: Arrays) -> Served:
        """Answer inputs: each is one request and one answer, and no token."""
        x, y = self.placed(model, batch)
        right, _ = self.correct(self.output(model, x), y)
        requests = len(y)
        request, answer = self.request_bytes()
        return Served(
            requests=requests,
            input_tokens=0,
            output_tokens=0,
            payload_bits=BITS_PER_BYTE * requests * (request + answer),
            correct=right,
            flop=requests * self.flop().forward,
        )

    def prepare(self, batch: Arrays) -> float:
        """Check that all values of the inputs are finite, then transform them."""
        form, _ = self._data(OWN)
        for name in form.names:
            part = batch[name]
            if part.size and not (np.isfinite(part.min()) and np.isfinite(part.max())):
                raise ValueError(
                    f"{name} of task {self.name} holds NaN or infinite values: clean the data set"
                )
        self.inputs(batch)
        return self.prepare_flop(len(batch[TARGET]))

    def prepare_flop(self, examples: int) -> float:
        form, data = self._data(OWN)
        return PREPARE_FLOP_PER_VALUE * examples * sum(data.train[name][0].size for name in form.names)
