"""Adam with a cosine to zero, for every network of the study."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.studies.terminal.frames import Frames

BATCH = 16
BETA_FIRST, BETA_SECOND = 0.9, 0.999


def fit(
    model: nn.Module,
    parameters: list[Tensor],
    examples: Iterable[tuple[Frames | Tensor, tuple[Tensor, ...]]],
    epochs: int,
    peak_rate: float,
    loss: Callable[..., Tensor] = F.cross_entropy,
) -> None:
    """Adam (Kingma and Ba 2015) with a cosine to zero; examples in an order of torch's global generator.

    No optimiser object: constructing one imports torch._dynamo, three CPU-seconds.

    Args:
        model: Trained in place; in evaluation mode afterwards.
        parameters: Of the model, those that may change.
        examples: One pair per epoch: inputs (N, ...), and what ``loss`` takes of them, each (N, ...).
        epochs: How many pairs ``examples`` gives.
        peak_rate: Learning rate at the start.
        loss: Model's output of a batch and its targets -> scalar.
    """
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    model.train()
    done = 0
    for epoch, (x, targets) in enumerate(examples):
        x_all = torch.from_numpy(x) if isinstance(x, np.ndarray) else x
        order = torch.randperm(len(x_all))
        batches = max(1, len(order) // BATCH)
        for step in range(batches):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            value = loss(model(x_all[chosen]), *(target[chosen] for target in targets))
            gradients = torch.autograd.grad(value, parameters)
            done += 1
            progress = (epoch + step / batches) / epochs
            rate = peak_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
            with torch.no_grad():
                torch._foreach_lerp_(first, gradients, 1.0 - BETA_FIRST)
                torch._foreach_mul_(second, BETA_SECOND)
                torch._foreach_addcmul_(second, gradients, gradients, 1.0 - BETA_SECOND)
                size = torch._foreach_sqrt(second)
                torch._foreach_div_(size, math.sqrt(1.0 - BETA_SECOND**done))
                torch._foreach_add_(size, 1e-8)
                torch._foreach_addcdiv_(parameters, first, size, -rate / (1.0 - BETA_FIRST**done))
    model.eval()
