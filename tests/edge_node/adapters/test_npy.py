"""Arrays in NumPy's format, read without Python's parser, equal what NumPy reads."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_node.adapters.npy import array_view

NUMBERS = st.one_of(
    arrays.boolean_dtypes(),
    arrays.integer_dtypes(endianness="?"),
    arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.floating_dtypes(endianness="?"),
    arrays.complex_number_dtypes(endianness="?"),
)


def written(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = BytesIO()
    np.lib.format.write_array(file, array, version=version, allow_pickle=True)
    return file.getvalue()


@given(
    arrays.arrays(NUMBERS, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)),
    st.sampled_from([None, (1, 0), (2, 0), (3, 0)]),
    st.booleans(),
)
def test_what_numpy_wrote_is_read_as_numpy_reads_it(array: np.ndarray, version: Any, fortran: bool) -> None:
    data = written(np.asfortranarray(array) if fortran else array, version)
    ours, theirs = array_view(data), np.load(BytesIO(data), allow_pickle=False)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert ours.tobytes() == theirs.tobytes()
    assert not ours.flags.writeable


@pytest.mark.parametrize("value", [np.array([{}], dtype=object), np.array(["text"]), np.zeros(2, "i4,f4")])
def test_what_is_no_number_is_refused(value: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"header that NumPy does not write|allowed are numbers"):
        array_view(written(value))


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(1, 60))
def test_damaged_bytes_are_refused_or_read(junk: bytes, at: int, cut: int) -> None:
    whole = written(np.arange(6, dtype=np.float32).reshape(2, 3))
    for data in (junk, whole[:at] + junk + whole[at:], whole[:-cut]):
        if data != whole:
            try:
                array_view(data)
            except ValueError:
                continue
