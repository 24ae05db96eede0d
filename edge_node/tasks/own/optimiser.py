"""Steps of a TorchTask: its own optimiser, dropout that repeats, frozen and unused parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from edge_node.tasks.steps import StepOptions

_DRAWS = threading.RLock()
"""torch's generator is one for all threads."""


class Optimiser(Protocol):
    def step(self) -> Any: ...


MakeOptimiser = Callable[..., Optimiser]
"""Called with the trainable parameters and ``lr``, as torch.optim's classes are."""


class PlainSgd:
    """SGD without momentum. torch's own optimisers import torch._dynamo, which takes a process three CPU-seconds."""

    def __init__(self, parameters: list[Tensor], lr: float) -> None:
        self._parameters, self._lr = parameters, lr

    def step(self) -> None:
        used = [parameter for parameter in self._parameters if parameter.grad is not None]
        with torch.no_grad():
            torch._foreach_add_(used, [p.grad for p in used if p.grad is not None], alpha=-self._lr)


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """torch's generators, this thread's alone, begin at ``seed``, and afterwards go on where they were."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with _DRAWS, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


class OptimiserSteps:
    """Steps with an optimiser that begins anew (edge_node.tasks.steps.Step).

    Args:
        loss: Mean loss of the model on an input and its target.
        make: Makes the optimiser.
        draws: Whether the model draws at random (dropout): every step then has its own seed.
    """

    def __init__(
        self,
        loss: Callable[[nn.Module, Any, Tensor, StepOptions], Tensor],
        make: MakeOptimiser,
        model: nn.Module,
        options: StepOptions,
        *,
        draws: bool,
    ) -> None:
        self._loss, self._model, self._options, self._draws = loss, model, options, draws
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._optimiser = make(self._parameters, lr=options.learning_rate)
        self._anchor = options.anchored(
            {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        )

    def __call__(self, x: Any, y: Tensor, number: int) -> Tensor:
        if not self._draws:
            return self._step(x, y)
        with drawing(number):
            return self._step(x, y)

    def _step(self, x: Any, y: Tensor) -> Tensor:
        for parameter in self._parameters:
            parameter.grad = None
        loss = self._loss(self._model, x, y, self._options)
        loss.backward()
        for parameter, anchor in zip(self._parameters, self._anchor, strict=False):
            if parameter.grad is not None:
                # mu/2 |w - w_global|^2 is added to the loss (FedProx).
                parameter.grad.add_(parameter.detach() - anchor, alpha=self._options.proximal_mu)
        self._optimiser.step()
        return loss.detach().reshape(())
