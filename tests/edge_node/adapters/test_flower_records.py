import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_node.adapters.flower_records import from_record, payload_bytes, to_record

ARRAYS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5), elements=st.floats(width=32)
)


@given(st.dictionaries(st.text(min_size=1), ARRAYS, max_size=4))
def test_parameters_survive_both_ways_and_read_as_flower_reads_them(parameters):
    record = to_record(parameters)
    back = from_record(record)
    assert list(back) == list(parameters)
    for name, array in parameters.items():
        np.testing.assert_array_equal(back[name], array)
        np.testing.assert_array_equal(record[name].numpy(), array)
        assert back[name].shape == array.shape


@given(ARRAYS)
def test_what_flower_wrote_is_read(array):
    np.testing.assert_array_equal(from_record(ArrayRecord([np.ascontiguousarray(array)]))["0"], array)


def test_reading_shares_the_records_bytes():
    record = to_record({"w": np.arange(6, dtype=np.float32).reshape(2, 3)})
    view = from_record(record)["w"]
    assert np.shares_memory(view, np.frombuffer(record["w"].data, dtype=np.uint8))
    assert not view.flags.writeable
    assert payload_bytes(record) == len(record["w"].data) == record["w"].data.index(b"\n") + 1 + 24


def npy(array) -> Array:
    return ArrayRecord([array])["0"]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (npy(np.zeros(3)), "float64"),
        (npy(np.asfortranarray(np.zeros((2, 3), np.float32))), "Fortran"),
        (Array("float32", (1,), "numpy.ndarray", b"nonsense"), "NumPy's format"),
        (Array("float32", (1,), "pickle", b"x"), "serialised as 'pickle'"),
    ],
)
def test_anything_else_is_refused(array, words):
    with pytest.raises(ValueError, match=words):
        from_record(ArrayRecord({"w": array}))


def test_a_cut_record_is_refused():
    whole = to_record({"w": np.zeros(4, np.float32)})["w"]
    cut = Array(whole.dtype, whole.shape, whole.stype, whole.data[:-1])
    with pytest.raises(ValueError, match="needs 16 bytes, has 15"):
        from_record(ArrayRecord({"w": cut}))
