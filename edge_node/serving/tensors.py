"""Arrays of outside requests and answers as they travel: raw little-endian bytes with type and shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_node.workload import Arrays
from protos.messages.parcels import Tensor


def to_tensors(arrays: Arrays) -> tuple[Tensor, ...]:
    """Tensors by name."""
    tensors = []
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        wire = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
        tensors.append(Tensor(name, array.dtype.name, tuple(array.shape), wire.tobytes()))
    return tuple(tensors)


def to_arrays(tensors: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
    """Arrays by name, of tensors that the codec has let pass (type and size agree with the bytes)."""
    return {
        tensor.name: np.frombuffer(tensor.data, dtype=np.dtype(tensor.dtype).newbyteorder("<"))
        .astype(tensor.dtype)
        .reshape(tensor.shape)
        for tensor in tensors
    }
