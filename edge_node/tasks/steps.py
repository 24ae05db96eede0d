"""Steps of local training: plain SGD with the task's own products, with FedProx's term."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

if TYPE_CHECKING:
    from edge_node.tasks.base import Task

Step = Callable[[Any, Tensor, int], Tensor]
"""(input, target, number of the step's draws) to the batch's mean loss before the step; the model changes in place."""


AUTOCAST = ("cpu", "cuda", "mps")
"""Devices that compute with bfloat16 on request."""


def is_rounding(device: torch.device) -> bool:
    """Whether products on ``device`` are of bfloat16 now."""
    return device.type in AUTOCAST and torch.is_autocast_enabled(device.type)


@dataclass(frozen=True, slots=True)
class StepOptions:
    """Settings of a round's training."""

    learning_rate: float
    proximal_mu: float = 0.0
    """FedProx (Li et al. 2020, arXiv:1812.06127): mu/2 |w - w_global|^2 is added to the loss."""
    precision: str = "float32"
    """Of the products."""
    anchor: Mapping[str, NDArray[np.float32]] | None = None
    """Parameters by name that the term pulls at the model to; None: those that it has before its first step."""

    def anchored(self, parameters: Mapping[str, Tensor]) -> list[Tensor]:
        """What each of these parameters is pulled to; empty where nothing is."""
        if not self.proximal_mu:
            return []
        if self.anchor is None:
            return [tensor.detach().clone() for tensor in parameters.values()]
        return [
            torch.from_numpy(np.array(self.anchor[name])).to(tensor.device)
            for name, tensor in parameters.items()
        ]

    def products(self, device: str) -> AbstractContextManager[Any]:
        """Entered for every step: autocast keeps converted weights until it ends."""
        return _rounded(device) if self.precision == "bfloat16" else nullcontext()


@contextmanager
def _rounded(device: str) -> Iterator[None]:
    """Products of bfloat16. torch asks oneDNN for an LSTM of bfloat16 on any processor, and fails on one without
    AVX-512, for which oneDNN has none: there torch's own kernels compute it."""
    is_lacking = device == "cpu" and torch.backends.mkldnn.is_available() and not _has_bfloat16()
    before = torch._C._get_mkldnn_enabled()  # torch.backends.mkldnn.flags sets more, and warns of it
    try:
        if is_lacking:
            torch._C._set_mkldnn_enabled(False)
        with torch.autocast(device, torch.bfloat16):
            yield
    finally:
        torch._C._set_mkldnn_enabled(before)


@cache
def _has_bfloat16() -> bool:
    """Whether oneDNN computes with bfloat16 on this processor."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class SgdSteps:
    """Plain SGD by ``Task.sgd_step``, on the parameters that ``model`` has when this is made."""

    def __init__(self, task: Task, model: nn.Module, options: StepOptions) -> None:
        self._task, self._model, self._options = task, model, options
        self._tensors: list[Tensor] = list(model.parameters())
        self._device = self._tensors[0].device.type
        self._anchor = options.anchored(dict(model.named_parameters()))

    def __call__(self, x: Any, y: Tensor, number: int) -> Tensor:
        mu, rate = self._options.proximal_mu, self._options.learning_rate
        if mu:
            with torch.no_grad():
                drift = torch._foreach_sub(self._tensors, self._anchor)
        with self._options.products(self._device):
            loss = self._task.sgd_step(self._model, self._tensors, x, y, rate)
        if mu:
            # The proximal term's gradient mu (w - w_global), taken at w before the step, as the loss's is.
            with torch.no_grad():
                torch._foreach_add_(self._tensors, drift, alpha=-rate * mu)
        return loss
