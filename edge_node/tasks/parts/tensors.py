"""Tensors of a cut as arrays that travel, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_node.splitting.partition import TensorSpec
from edge_node.workload import Arrays

LOSS, TARGET = "loss", "target"
"""Names of the mean loss of a batch, and of its labels."""


def numbered(letter: str, tensors: Sequence[Tensor | None]) -> dict[str, NDArray[Any]]:
    """Arrays named ``x0``, ``x1``, ... of tensors; None has none."""
    return {f"{letter}{k}": array_of(tensor) for k, tensor in enumerate(tensors) if tensor is not None}


def array_of(tensor: Tensor) -> NDArray[Any]:
    """Copy of a tensor in C order."""
    return np.array(tensor.detach().numpy(force=True), order="C")


def tensors_of(
    letter: str, arrays: Arrays, specs: Sequence[TensorSpec], device: torch.device
) -> list[Tensor]:
    """The tensors of ``numbered``, in the memory order that the model computes on; those of floating point have
    gradients. Raises ValueError where one is missing, or of another shape or type."""
    found = []
    for k, spec in enumerate(specs):
        array = _required(arrays, f"{letter}{k}")
        tensor = torch.from_numpy(np.array(array, order="C")).to(device)
        if tensor.dtype != spec.dtype or tensor.shape[1:] != spec.shape[1:]:
            raise ValueError(
                f"{letter}{k} is {tensor.dtype} of shape {tuple(tensor.shape)}; the cut has {spec.dtype} of shape "
                f"{('examples', *spec.shape[1:])}"
            )
        if spec.channels_last:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        found.append(tensor.requires_grad_(tensor.is_floating_point()))
    return found


def gradients_of(arrays: Arrays, outputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Those of ``outputs`` that have a gradient, and their gradients ``g0``, ``g1``, ... Raises ValueError for one of
    another shape."""
    pairs = []
    for k, output in enumerate(outputs):
        if output.requires_grad and (array := arrays.get(f"g{k}")) is not None:
            if array.shape != tuple(output.shape):
                raise ValueError(f"g{k} is of shape {array.shape}; what it is of has {tuple(output.shape)}")
            pairs.append((output, torch.from_numpy(np.array(array, order="C")).to(output)))
    return [output for output, _ in pairs], [gradient for _, gradient in pairs]


def loss_in(arrays: Arrays) -> float:
    """The loss that came. Raises ValueError where none did."""
    return float(_required(arrays, LOSS).reshape(-1)[0])


def _required(arrays: Arrays, name: str) -> NDArray[Any]:
    if name not in arrays:
        raise ValueError(f"an array {name!r} is needed; got {', '.join(sorted(arrays)) or 'none'}")
    return arrays[name]
