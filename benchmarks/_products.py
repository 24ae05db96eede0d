"""The matrix products of a model's training steps and nothing else: what a step would cost if the rest took no time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def perceptron(rows: int, inputs: int, hidden: int) -> Callable[[], None]:
    """A step's two large products in float32: ``rows`` examples forward, and their gradient into the weights."""
    x, weight = torch.randn(rows, inputs), torch.randn(hidden, inputs)
    units, gradient = torch.randn(hidden, rows), torch.randn(hidden, rows)

    def step() -> None:
        torch.mm(weight, x.t(), out=units)
        weight.addmm_(gradient, x, alpha=1e-9)

    return step


def recurrent(
    rows: int, times: int, widths: Sequence[int], classes: int, dtype: torch.dtype
) -> Callable[[], None]:
    """A step's products of an LSTM with a linear layer on top, each as large as the order of time allows.

    ``rows`` sequences of ``times`` symbols; ``widths``: of the first input and of every layer. The state's products are
    done time by time, forward and backward; those of inputs and weights' gradients for all times at once. The first
    layer's input needs no gradient here.
    """

    def filled(*size: int) -> Tensor:
        return torch.randn(*size).to(dtype)

    products: list[tuple[int, Tensor, Tensor, Tensor]] = []

    def product(often: int, left: Tensor, right: Tensor) -> None:
        products.append((often, left, right, torch.empty(len(left), right.shape[1], dtype=dtype)))

    for k, (inputs, width) in enumerate(itertools.pairwise(widths)):
        x, h, gates = (
            filled(times * rows, inputs),
            filled(times * rows, width),
            filled(times * rows, 4 * width),
        )
        of_input, of_state = filled(4 * width, inputs), filled(4 * width, width)
        product(1, x, of_input.t())
        product(times, h[:rows], of_state.t())
        product(times, gates[:rows], of_state)
        product(1, gates.t(), h)
        product(1, gates.t(), x)
        if k:
            product(1, gates, of_input)
    h, logits, of_output = (
        filled(times * rows, widths[-1]),
        filled(times * rows, classes),
        filled(classes, widths[-1]),
    )
    product(1, h, of_output.t())
    product(1, logits, of_output)
    product(1, logits.t(), h)

    def step() -> None:
        for often, left, right, out in products:
            for _ in range(often):
                torch.mm(left, right, out=out)

    return step
