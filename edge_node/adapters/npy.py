"""Bytes of a ``.npy`` file, in which Flower keeps arrays, as an array.

NumPy's own reader gives the header to Python's parser. In Python 3.11 two threads that parse at once end now and then
with "SystemError: AST constructor recursion depth mismatch": a run kept its checkpoint in one thread while another
evaluated its model. A pattern reads the header here, in a tenth of the time.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|=]?[a-zA-Z]\d+)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \}\s*"
)
_NUMBERS = "biufc"
"""Kinds of dtype that are read: truth values, integers, real and complex numbers."""


def array_view(data: bytes) -> NDArray[Any]:
    """The array in ``data``, a read-only view of it.

    Raises ValueError for anything but a whole array of numbers as NumPy writes it.
    """
    size, form = (2, "<H") if data[6:7] == b"\x01" else (4, "<I")
    if data[:6] != _MAGIC or data[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00") or len(data) < 8 + size:
        raise ValueError("does not begin as a .npy file of version 1, 2 or 3 does")
    begin = 8 + size + struct.unpack(form, data[8 : 8 + size])[0]
    found = _HEADER.fullmatch(data, 8 + size, begin)
    if found is None or len(data) < begin:
        raise ValueError("has a header that NumPy does not write")
    dtype = np.dtype(found[1].decode())
    if dtype.kind not in _NUMBERS:
        raise ValueError(f"has elements of type {dtype}; allowed are numbers and truth values")
    shape = tuple(int(part) for part in found[3].split(b",") if part.strip())
    count = math.prod(shape)
    if len(data) - begin != count * dtype.itemsize:
        raise ValueError(f"of shape {shape} needs {count * dtype.itemsize} bytes, has {len(data) - begin}")
    flat = np.frombuffer(data, dtype=dtype, offset=begin)
    return flat.reshape(shape[::-1]).T if found[2] == b"True" else flat.reshape(shape)
