"""A model's state as it travels: parameters and persistent buffers by name, all of it as float32.

Tied weights travel once, under their first name. Whole-number buffers (BatchNorm's ``num_batches_tracked``) travel as
float32 too, so that a strategy can average them, and are rounded to the nearest number when they are loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_node.workload import Parameters

BYTES_PER_VALUE = 4
EXACT = 2**24
"""Whole numbers up to this are exact in float32."""


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """The model's own tensors by name, parameters first."""
    return {**dict(model.named_parameters()), **buffers_of(model)}


def buffers_of(model: nn.Module) -> dict[str, Tensor]:
    """Persistent buffers by name. Others (masks, tables of positions) are made by the model and do not travel."""
    kept = model.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in model.named_buffers() if name in kept}


def state_bytes(model: nn.Module) -> int:
    """Bytes of the state as it travels."""
    return sum(BYTES_PER_VALUE * tensor.numel() for tensor in state_of(model).values())


def to_arrays(model: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Copy of a model's state by name."""
    return {
        name: tensor.detach().numpy(force=True).astype(np.float32, order="C", copy=True)
        for name, tensor in state_of(model).items()
    }


def load_arrays(model: nn.Module, parameters: Parameters) -> list[Tensor]:
    """Copy ``parameters`` into ``model``; returns its tensors in the model's order.

    Raises ValueError for names or shapes that are not the model's own.
    """
    own = state_of(model)
    if own.keys() != parameters.keys():
        raise ValueError(
            f"parameters do not fit {type(model).__name__}: got {sorted(parameters)}, expected {sorted(own)}"
        )
    for name, tensor in own.items():
        array = parameters[name]
        if tuple(array.shape) != tuple(tensor.shape):
            raise ValueError(
                f"parameter {name} of {type(model).__name__}: got shape {tuple(array.shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
        _copy(tensor.detach(), array)
    return list(own.values())


def _copy(tensor: Tensor, array: NDArray[np.float32]) -> None:
    if tensor.device.type == "cpu" and tensor.is_floating_point():
        np.copyto(tensor.numpy(), array, casting="same_kind")
        return
    values = array if tensor.is_floating_point() else np.rint(array)
    tensor.copy_(torch.from_numpy(np.array(values, order="C")))


def averaged_into(sums: Sequence[Tensor], tensors: Sequence[Tensor], weight: float) -> None:
    """Add ``weight`` times ``tensors`` to ``sums`` (float32), in place."""
    with torch.no_grad():
        torch._foreach_add_(list(sums), torch._foreach_mul([as_float(tensor) for tensor in tensors], weight))


def as_float(tensor: Tensor) -> Tensor:
    """The tensor as it travels; itself where it is of floating point."""
    return tensor if tensor.is_floating_point() else tensor.to(torch.float32)


def on_device(x: Any, device: torch.device) -> Any:
    """A model's input there: a tensor, or a tuple or dictionary of tensors."""
    if isinstance(x, Tensor):
        return x.to(device)
    if isinstance(x, dict):
        return {name: part.to(device) for name, part in x.items()}
    return tuple(part.to(device) for part in x)
