"""``mnist-mlp``: the DETA paper's MLP, 784-200-10, 159,010 parameters (methods.md section 8, note 1)."""

from __future__ import annotations

import threading
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from edge_node.tasks.base import Columns
from edge_node.tasks.images import PIXELS, SCALE, ImageTask
from edge_node.tasks.steps import is_rounding

HIDDEN = 200


class Mlp(nn.Module):
    """One hidden layer of ReLU units on flattened images."""

    def __init__(self, hidden: int = HIDDEN, num_classes: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, hidden)
        self.output = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(torch.relu(self.hidden(x.flatten(1))))


class MnistMlp(ImageTask):
    """Handwritten digits with the 784-200-10 perceptron."""

    name = "mnist-mlp"

    def model(self) -> Mlp:
        return Mlp()

    def columns(self) -> Columns:
        """Pixels, row after row of the image."""
        return Columns("images", PIXELS, SCALE, "hidden", "labels")

    def sgd_step(
        self, model: nn.Module, parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float
    ) -> Tensor:
        """Forward, backward and update by hand, in tensors that are kept from step to step.

        Same mathematics as autograd with cross-entropy. A weight's gradient is multiplied straight into the weight:
        two large products, in float32 at the speed of the core, are nearly all that is left. Logits are (classes, B):
        a softmax over ten numbers that lie apart is done for many examples at once, one over neighbours is not.
        """
        w1, b1, w2, b2 = parameters
        step = learning_rate / len(y)
        kept = _kept((len(y), *w1.shape, len(b2)), w1.device)
        rounded = kept.rounded if is_rounding(w1.device) else None
        with torch.no_grad():
            x = x.flatten(1)
            if rounded is not None:
                x = rounded.x.copy_(x)
                product = torch.mm(x, rounded.w1.copy_(w1).t(), out=rounded.product)
                hidden = kept.hidden.copy_(product).add_(b1).relu_()
            else:
                hidden = torch.mm(x, w1.t(), out=kept.hidden).add_(b1).relu_()
            torch.addmm(b2.unsqueeze(1), w2, hidden.t(), out=kept.logits)
            log_p = torch.log_softmax(kept.logits, 0, out=kept.d_logits)
            picked = y.unsqueeze(0)
            loss = log_p.gather(0, picked).squeeze(0).dot(kept.minus_shares)
            # d loss / d logits = softmax - one-hot (times 1/B, which is in ``step``).
            log_p.exp_().scatter_add_(0, picked, kept.minus_ones)
            torch.mm(kept.d_logits_t, w2, out=kept.product)
            _threshold_backward(kept.product, hidden, 0, grad_input=kept.d_hidden)
            w2.addmm_(kept.d_logits, hidden, alpha=-step)
            b2.addmv_(kept.d_logits, kept.ones, alpha=-step)
            if rounded is not None:
                rounded.d_hidden.copy_(kept.d_hidden)
                w1.sub_(
                    rounded.wide.copy_(torch.mm(rounded.d_hidden.t(), x, out=rounded.gradient)), alpha=step
                )
            else:
                w1.addmm_(kept.d_hidden_t, x, alpha=-step)
            b1.addmv_(kept.d_hidden_t, kept.ones, alpha=-step)
        return loss


_threshold_backward = torch.ops.aten.threshold_backward.grad_input
_threads = threading.local()
_SIZES = 4
"""Batch sizes of which a thread keeps the tensors."""


class _Kept:
    """Tensors of a step."""

    def __init__(self, batch: int, hidden: int, inputs: int, classes: int, device: torch.device) -> None:
        self._sizes, self._device = (batch, hidden, inputs), device
        empty = partial(torch.empty, device=device)
        self.hidden, self.product, self.d_hidden = (empty(batch, hidden) for _ in range(3))
        self.logits, self.d_logits = (empty(classes, batch) for _ in range(2))
        self.d_hidden_t, self.d_logits_t = self.d_hidden.t(), self.d_logits.t()
        self.ones = torch.ones(batch, device=device)
        self.minus_ones = torch.full((1, batch), -1.0, device=device)
        self.minus_shares = torch.full((batch,), -1.0 / batch, device=device)

    @cached_property
    def rounded(self) -> _Rounded:
        return _Rounded(*self._sizes, self._device)


class _Rounded:
    """Tensors of a step whose two large products are of bfloat16."""

    def __init__(self, batch: int, hidden: int, inputs: int, device: torch.device) -> None:
        half = partial(torch.empty, dtype=torch.bfloat16, device=device)
        self.x = half(batch, inputs)
        self.product, self.d_hidden = (half(batch, hidden) for _ in range(2))
        self.w1, self.gradient = (half(hidden, inputs) for _ in range(2))
        self.wide = torch.empty(hidden, inputs, device=device)


def _kept(size: tuple[int, int, int, int], device: torch.device) -> _Kept:
    """This thread's tensors of a step with batch, hidden units, inputs and classes of these numbers."""
    if not hasattr(_threads, "by_size"):
        _threads.by_size = {}
    by_size: dict[tuple[object, ...], _Kept] = _threads.by_size
    key = (*size, device)
    if key not in by_size:
        while len(by_size) >= _SIZES:
            del by_size[next(iter(by_size))]
        by_size[key] = _Kept(*size, device=device)
    return by_size[key]
