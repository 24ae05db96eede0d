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
        two large products, in float32 at the speed of the core, are nearly all that is left. Units and classes are
        rows, examples columns: products of few examples are quicker so, and a softmax over ten numbers that lie apart
        is done for many examples at once, one over neighbours is not.
        """
        return _bound(parameters, len(y)).step(x.flatten(1), y, learning_rate)


_threshold_backward = torch.ops.aten.threshold_backward.grad_input
_threads = threading.local()
_SIZES = 4
"""Batch sizes of which a thread keeps the tensors."""


class _Kept:
    """Tensors of a step."""

    def __init__(self, batch: int, hidden: int, inputs: int, classes: int, device: torch.device) -> None:
        self._sizes, self._device = (batch, hidden, inputs), device
        empty = partial(torch.empty, device=device)
        self.hidden, self.product, self.d_hidden = (empty(hidden, batch) for _ in range(3))
        self.hidden_t = self.hidden.t()
        self.logits, self.d_logits = (empty(classes, batch) for _ in range(2))
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
        self.product, self.d_hidden = (half(hidden, batch) for _ in range(2))
        self.w1, self.gradient = (half(hidden, inputs) for _ in range(2))
        self.wide = torch.empty(hidden, inputs, device=device)


class _Bound:
    """Steps of batches of one size on these parameters, looked at without their gradients."""

    def __init__(self, parameters: list[Tensor], batch: int) -> None:
        self.parameters, self.batch = parameters, batch
        self._w1, self._b1, self._w2, self._b2 = (tensor.detach() for tensor in parameters)
        self._b1_column, self._b2_column, self._w2_t = (
            self._b1.unsqueeze(1),
            self._b2.unsqueeze(1),
            self._w2.t(),
        )
        self._device = self._w1.device
        self._kept = _kept((batch, *self._w1.shape, len(self._b2)), self._device)

    def step(self, x: Tensor, y: Tensor, learning_rate: float) -> Tensor:
        """See ``MnistMlp.sgd_step``; ``x`` is (B, inputs)."""
        w1, kept, down = self._w1, self._kept, -learning_rate / self.batch
        hidden, d_hidden, d_logits = kept.hidden, kept.d_hidden, kept.d_logits
        rounded = kept.rounded if is_rounding(self._device) else None
        if rounded is not None:
            x = rounded.x.copy_(x)
            hidden.copy_(torch.mm(rounded.w1.copy_(w1), x.t(), out=rounded.product))
        else:
            torch.mm(w1, x.t(), out=hidden)
        hidden.add_(self._b1_column).relu_()
        torch.addmm(self._b2_column, self._w2, hidden, out=kept.logits)
        torch.log_softmax(kept.logits, 0, out=d_logits)
        picked = y.unsqueeze(0)
        loss = d_logits.gather(0, picked).squeeze(0).dot(kept.minus_shares)
        # d loss / d logits = softmax - one-hot (times 1/B, which is in ``down``).
        d_logits.exp_().scatter_add_(0, picked, kept.minus_ones)
        torch.mm(self._w2_t, d_logits, out=kept.product)
        _threshold_backward(kept.product, hidden, 0, grad_input=d_hidden)
        self._w2.addmm_(d_logits, kept.hidden_t, alpha=down)
        self._b2.addmv_(d_logits, kept.ones, alpha=down)
        if rounded is not None:
            gradient = torch.mm(rounded.d_hidden.copy_(d_hidden), x, out=rounded.gradient)
            w1.add_(rounded.wide.copy_(gradient), alpha=down)
        else:
            w1.addmm_(d_hidden, x, alpha=down)
        self._b1.addmv_(d_hidden, kept.ones, alpha=down)
        return loss


def _bound(parameters: list[Tensor], batch: int) -> _Bound:
    """This thread's steps on these parameters: those of the step before, where they are the same list."""
    bound: _Bound | None = getattr(_threads, "bound", None)
    if bound is None or bound.parameters is not parameters or bound.batch != batch:
        bound = _threads.bound = _Bound(parameters, batch)
    return bound


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
