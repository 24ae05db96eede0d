"""Flower messages as letters: whole again, bit by bit, and refused where they are damaged."""

from __future__ import annotations

import random

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from edge_node.adapters.flower_letter import from_letter, to_letter
from edge_node.adapters.flower_private import bind_identity, error_reply, stamp
from protos.flower_names import CLIENT_APP_RAISED

ARRAYS = {
    "weight": np.arange(12, dtype=np.float64).reshape(3, 4),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "scalar": np.array(3, dtype=np.int64),
}


def message() -> Message:
    bind_identity(7)
    content = RecordDict(
        {
            "arrays": ArrayRecord({name: Array(array) for name, array in ARRAYS.items()}),
            "none": ArrayRecord({}),
            "config": ConfigRecord({"slot": 3, "names": ["a", "b"]}),
            "metrics": MetricRecord({"loss": 0.1}),
        }
    )
    made = Message(content, 2, "train", group_id="slot-3")
    stamp(made)
    return made


def joined(of: Message) -> bytearray:
    return bytearray(b"".join(to_letter(of)))


def test_a_message_is_the_same_after_its_way() -> None:
    sent = message()
    got = from_letter(joined(sent))
    assert got.metadata.message_id == sent.metadata.message_id
    assert got.metadata.group_id == "slot-3"
    assert set(got.content) == {"arrays", "none", "config", "metrics"}
    assert dict(got.content["config"]) == dict(sent.content["config"])
    for name, array in ARRAYS.items():
        found = got.content["arrays"][name].numpy()
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found, array)


def test_an_error_is_one_too() -> None:
    got = from_letter(joined(error_reply(message(), CLIENT_APP_RAISED, "n0: it failed")))
    assert got.error.reason == "n0: it failed"


def test_damaged_letters_are_refused() -> None:
    whole = joined(message())
    source = random.Random(1)
    for content in (b"", whole[:-1], whole + b"x", whole[:3], b"\xff" * 40):
        with pytest.raises(ValueError, match="no Flower message"):
            from_letter(bytearray(content))
    for _ in range(2_000):  # in its table and head
        damaged = bytearray(whole)
        damaged[source.randrange(600)] = source.randrange(256)
        try:
            from_letter(damaged)
        except ValueError:
            continue
