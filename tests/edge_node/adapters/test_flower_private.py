"""Contract with Flower 1.41 and 1.42: what flower_private.py takes from behind its public names must be there and
behave so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from edge_node.adapters import flower_private as private
from protos.flower_names import NODE_UNAVAILABLE


def message() -> Message:
    private.bind_identity(7)
    arrays = ArrayRecord(
        {"w": private.Array(np.arange(4, dtype=np.float64)), "b": private.Array(np.float32([]))}
    )
    made = Message(
        RecordDict(
            {"arrays": arrays, "config": ConfigRecord({"a": 1, "b": "x"}), "m": MetricRecord({"n": [1.5]})}
        ),
        dst_node_id=5,
        message_type="train",
        group_id="slot-3",
    )
    private.stamp(made)
    return made


def test_the_identity_becomes_the_sender():
    made = message()
    assert (made.metadata.run_id, made.metadata.src_node_id) == (7, private.SERVER_NODE_ID)


def test_replies_name_the_stamped_message():
    made = message()
    assert made.metadata.message_id
    reply = Message(RecordDict(), reply_to=made)
    assert reply.metadata.reply_to_message_id == made.metadata.message_id
    private.adopt_id(reply, "other")
    assert reply.metadata.reply_to_message_id == "other"


def test_a_message_survives_packing_and_copying():
    made = message()
    for back in (private.unpack(*private.pack(made)), private.copy_message(made)):
        assert back.metadata.message_id == made.metadata.message_id
        assert back.metadata.group_id == "slot-3"
        assert dict(back.content["config"]) == {"a": 1, "b": "x"}
        assert dict(back.content["m"]) == {"n": [1.5]}
        for name, array in made.content["arrays"].items():
            np.testing.assert_array_equal(back.content["arrays"][name].numpy(), array.numpy())
            assert back.content["arrays"][name].dtype == array.dtype
    assert set(made.content) == {"arrays", "config", "m"}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=">i2").reshape(3, 4)),
        np.float64(2.5),
        np.zeros((0, 3), dtype=np.complex64),
        np.array([True, False]),
        np.array(["a", "bc"]),
    ],
)
def test_what_came_is_read_as_flower_reads_it(array):
    """Texts too, which the quicker reader leaves to NumPy; and as an array of its own, which may be written to."""
    sent = private.Array(np.asarray(array))
    (found,) = private.unpack_arrays(private.pack_arrays(ArrayRecord({"x": sent}))).values()
    read, expected = found.numpy(), sent.numpy()
    np.testing.assert_array_equal(read, expected)
    assert (read.dtype, read.flags.f_contiguous) == (expected.dtype, expected.flags.f_contiguous)
    assert read.flags.writeable


def test_what_came_in_another_form_or_torn_is_refused_as_flower_refuses_it():
    whole = private.Array(np.arange(4.0))
    for stype, data in (("other", whole.data), (whole.stype, whole.data[:-1]), (whole.stype, b"nonsense")):
        sent = private.Array(dtype=whole.dtype, shape=whole.shape, stype=stype, data=data)
        (found,) = private.unpack_arrays(private.pack_arrays(ArrayRecord({"x": sent}))).values()
        with pytest.raises((TypeError, ValueError)) as said:
            found.numpy()
        with pytest.raises(said.type):
            sent.numpy()


def test_an_error_survives_packing():
    error = private.error_reply(message(), NODE_UNAVAILABLE, "gone")
    back = private.unpack(*private.pack(error))
    assert (back.error.code, back.error.reason) == (NODE_UNAVAILABLE, "gone")


def test_a_project_gives_the_same_bundle_again_and_one_without_settings_none(tmp_path):
    plain = Path(__file__).parents[2] / "apps" / "plain"
    assert private.bundle_of(plain) == private.bundle_of(plain)
    assert len(private.bundle_of(plain)) < private.MAX_BUNDLE_BYTES
    with pytest.raises(ValueError, match=r"pyproject\.toml"):
        private.bundle_of(tmp_path)
