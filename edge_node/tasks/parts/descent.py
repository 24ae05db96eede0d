"""Plain SGD on a part of a model, whose gradients come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from edge_node.workload import TRAIN_OPTIONS


class Descent:
    """Steps on ``parameters``, in place: those of edge_node.tasks.steps.SgdSteps, FedProx's term included.

    Args:
        parameters: Of the part; frozen ones stay as they are.
        options: As ``Workload.train`` has them. Raises ValueError for others.
        learning_rate: Where the options give none.
    """

    def __init__(
        self, parameters: Sequence[Tensor], options: Mapping[str, float], learning_rate: float
    ) -> None:
        if unknown := set(options) - TRAIN_OPTIONS:
            raise ValueError(f"unknown training options {sorted(unknown)}; allowed: {sorted(TRAIN_OPTIONS)}")
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._rate = float(options.get("learning-rate", learning_rate))
        self._mu = float(options.get("proximal-mu", 0.0))
        self._anchor = [tensor.detach().clone() for tensor in self.parameters] if self._mu else []

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """One step; None: a parameter that the loss does not depend on."""
        with torch.no_grad():
            drift = list(torch._foreach_sub(self.parameters, self._anchor)) if self._mu else []
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.add_(gradient, alpha=-self._rate)
            if drift:
                torch._foreach_add_(self.parameters, drift, alpha=-self._rate * self._mu)
