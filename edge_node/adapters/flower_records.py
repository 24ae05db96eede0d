"""Model parameters to Flower's array records and back, without copies that are not needed.

Flower keeps an array as the bytes of a ``.npy`` file. Its own ``numpy()`` copies them; here the bytes are
viewed in place, and written in one copy. Nothing is ever unpickled: only float32 arrays are read.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.lib import format as npy
from numpy.typing import NDArray

from edge_node.adapters.npy import array_view
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
    try:
        found = array_view(array.data)
    except ValueError as error:
        raise ValueError(f"parameter {name} is no array in NumPy's format: {error}") from error
    if found.dtype != np.float32 or not found.flags.c_contiguous:
        raise ValueError(
            f"parameter {name}: got {found.dtype} in {'C' if found.flags.c_contiguous else 'Fortran'} order, "
            "expected float32 in C order"
        )
    return found
