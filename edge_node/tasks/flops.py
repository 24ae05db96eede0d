"""Operations counted from a model's layers, so that no cost is a guess.

A multiplication and an addition are two operations. Counted are the matrix products and convolutions, which
is where the time goes; activations, pooling, biases and the loss are left out (below 2 % in these models).
The backward pass costs the forward's operations once for the weights' gradient and once for the input's;
the first layer needs no gradient of its input.

torch.utils.flop_counter is not used here: it misses the LSTM, attention on a CPU and products in place, and its
hooks reach the models of other threads (docs/decisions/0014-libraries.md). The tests compare the two.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from edge_node.tasks.base import FlopCount


@runtime_checkable
class CountsItself(Protocol):
    """A layer of one's own that states its forward operations; its children are then not counted again."""

    def counted_flop(self, inputs: tuple[Any, ...], output: Any) -> float: ...


def _linear(layer: nn.Linear, inputs: tuple[Any, ...], output: Any) -> float:
    return 2.0 * layer.in_features * output.numel()


def _conv2d(layer: nn.Conv2d, inputs: tuple[Any, ...], output: Any) -> float:
    height, width = layer.kernel_size
    return 2.0 * (layer.in_channels // layer.groups) * height * width * output.numel()


def _lstm(layer: nn.LSTM, inputs: tuple[Any, ...], output: Any) -> float:
    tokens = output[0].numel() // layer.hidden_size
    per_token = sum(
        8.0 * layer.hidden_size * (inputs_of_layer + layer.hidden_size)
        for inputs_of_layer in (layer.input_size, *[layer.hidden_size] * (layer.num_layers - 1))
    )
    return tokens * per_token


def _no_products(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> float:
    return 0.0


# isinstance, not type: a convolution that is only written differently counts as one.
_COUNTERS: dict[type[nn.Module], Callable[[Any, tuple[Any, ...], Any], float]] = {
    nn.Linear: _linear,
    nn.Conv2d: _conv2d,
    nn.LSTM: _lstm,
    nn.Embedding: _no_products,
    nn.LayerNorm: _no_products,
    _BatchNorm: _no_products,
}


def count_flop(model: nn.Module, example: Tensor) -> FlopCount:
    """Operations of one pass over ``example`` (a batch of one), forward and for training.

    Raises TypeError for a layer with parameters that is not among those counted.
    """
    forward = 0.0
    train = 0.0

    def record(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal forward, train
        if isinstance(layer, CountsItself):
            flop = layer.counted_flop(inputs, output)
        else:
            counter = _counter(layer)
            assert counter is not None  # attach() hooks no other layer
            flop = counter(layer, inputs, output)
        forward += flop
        # An input that needs no gradient (the first layer's) saves the backward pass one product.
        train += (3.0 if any(isinstance(i, Tensor) and i.requires_grad for i in inputs) else 2.0) * flop

    def attach(layer: nn.Module) -> None:
        if isinstance(layer, CountsItself) or _counter(layer) is not None:
            layer.register_forward_hook(record)
            return
        if any(True for _ in layer.parameters(recurse=False)):
            raise TypeError(
                f"cannot count the operations of layer {type(layer).__name__}: give it a method "
                "counted_flop(inputs, output), or use one of " + ", ".join(t.__name__ for t in _COUNTERS)
            )
        for child in layer.children():
            attach(child)

    # Also for a node that serves before it learns: tensors made in inference mode need no gradient, ever; copies do.
    with torch.inference_mode(False), torch.enable_grad():
        model = copy.deepcopy(model).eval()  # batch normalisation trains on no single example
        attach(model)
        model(example.clone())
    return FlopCount(forward, train)


def _counter(layer: nn.Module) -> Callable[[Any, tuple[Any, ...], Any], float] | None:
    return next((count for kind, count in _COUNTERS.items() if isinstance(layer, kind)), None)


def parameter_count(model: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(p.numel() for p in model.parameters())
