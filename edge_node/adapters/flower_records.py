"""Model parameters to Flower's array records and back, without copies that are not needed.

Flower keeps an array as the bytes of a ``.npy`` file. Its own ``numpy()`` copies them; here the bytes are
viewed in place, and written in one copy. Nothing is ever unpickled: only float32 arrays are read.
"""

from __future__ import annotations

import math
from io import BytesIO

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.lib import format as npy
from numpy.typing import NDArray

from edge_node.workload import Parameters

NUMPY_BYTES = "numpy.ndarray"
"""Flower's name of this serialisation."""


def to_record(parameters: Parameters) -> ArrayRecord:
    """Parameters as an array record, in their order."""
    return ArrayRecord({name: _pack(array) for name, array in parameters.items()})


def from_record(record: ArrayRecord) -> dict[str, NDArray[np.float32]]:
    """Parameters in an array record, as read-only views of its bytes.

    Raises ValueError for anything but whole, C-ordered float32 arrays.
    """
    return {name: _view(name, array) for name, array in record.items()}


def payload_bytes(record: ArrayRecord) -> int:
    """Bytes of a record's arrays as they travel."""
    return sum(len(array.data) for array in record.values())


def _pack(array: NDArray[np.float32]) -> Array:
    contiguous = np.asarray(array, dtype=np.float32, order="C")
    header = BytesIO()
    npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(contiguous))
    return Array(
        dtype="float32",
        shape=tuple(contiguous.shape),
        stype=NUMPY_BYTES,
        data=b"".join((header.getvalue(), contiguous.reshape(-1).data)),
    )


def _view(name: str, array: Array) -> NDArray[np.float32]:
    if array.stype != NUMPY_BYTES:
        raise ValueError(f"parameter {name}: serialised as {array.stype!r}, expected {NUMPY_BYTES!r}")
    stream = BytesIO(array.data)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream)
    except ValueError as error:
        raise ValueError(f"parameter {name} is no array in NumPy's format: {error}") from error
    if dtype != np.float32 or fortran_order:
        raise ValueError(
            f"parameter {name}: got {dtype} in {'Fortran' if fortran_order else 'C'} order, "
            "expected float32 in C order"
        )
    offset, count = stream.tell(), math.prod(shape)
    if len(array.data) != offset + 4 * count:
        raise ValueError(
            f"parameter {name} of shape {shape} needs {4 * count} bytes, "
            f"the record has {len(array.data) - offset}"
        )
    return np.frombuffer(array.data, dtype=np.float32, offset=offset).reshape(shape)
