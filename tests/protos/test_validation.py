"""Rules of message fields: for single values and across fields. Pure; the codec applies them in both directions."""

from __future__ import annotations

import dataclasses
import math
import typing

import pytest

from protos import codec, validation
from protos.messages import slot, stream
from protos.messages.parcels import Tensor
from protos.messages.slot import Decision
from protos.messages.stream import Refusal
from protos.messages.terms import Stage
from tests.protos.samples import PARCEL, PROFILE

DECISION = Decision("n1", 1, 2, Stage.DEVELOPMENT, True, 3, (), (), 0, 0, 0, 1.0)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (dataclasses.replace(DECISION, node_id=""), "Decision.node_id"),
        (dataclasses.replace(DECISION, node_id="a/../b"), "Decision.node_id"),
        (dataclasses.replace(DECISION, node_id="n" * 65), "Decision.node_id"),
        (dataclasses.replace(DECISION, slot=-1), "Decision.slot"),
        (dataclasses.replace(DECISION, slot=2**63), "Decision.slot"),
        (dataclasses.replace(DECISION, slot=1.5), "Decision.slot"),
        (dataclasses.replace(DECISION, awake=1), "Decision.awake"),
        (dataclasses.replace(DECISION, stage="training"), "Decision.stage"),
        (dataclasses.replace(DECISION, deadline_s=math.nan), "Decision.deadline_s"),
        (dataclasses.replace(DECISION, deadline_s=math.inf), "Decision.deadline_s"),
        (dataclasses.replace(DECISION, sends=(slot.Send("n2", "no port", 1),)), "Send.address"),
        (dataclasses.replace(DECISION, guests=(slot.Guest("n2", -1),)), "Guest.batches"),
        (
            stream.Register("n1", "b", "", dataclasses.replace(PROFILE, static_w=-1.0)),
            "NodeProfile.static_w",
        ),
        (
            stream.Register("n1", "b", "", dataclasses.replace(PROFILE, self_discharge_fraction=1.1)),
            "NodeProfile.self_discharge_fraction",
        ),
        (
            stream.Register("n1", "b", "", dataclasses.replace(PROFILE, provenance="guessed")),
            "NodeProfile.provenance",
        ),
        (
            stream.Register("n1", "b", "", dataclasses.replace(PROFILE, data_digest="x")),
            "NodeProfile.data_digest",
        ),
        (Refusal("late", "a\x00b"), "Refusal.reason"),
        (Refusal("late", "\ud800"), "Refusal.reason"),
        (Refusal("late", "x" * 5000), "Refusal.reason"),
        (dataclasses.replace(PARCEL, executor="n1"), "Parcel.executor"),
        (dataclasses.replace(PARCEL, batch_sizes=(1, 1)), "Parcel.tensors[images].shape"),
        (dataclasses.replace(PARCEL, batch_sizes=(3,)), "Parcel.batch_sizes"),
        (dataclasses.replace(PARCEL, batch_ids=(4, 4)), "Parcel.batch_ids"),
        (dataclasses.replace(PARCEL, tensors=()), "Parcel.tensors"),
        (dataclasses.replace(PARCEL, tensors=PARCEL.tensors * 2), "Parcel.tensors"),
        (Tensor("images", "object", (1,), bytes(8)), "Tensor.dtype"),
        (Tensor("images", "float32", (2,), bytes(7)), "Tensor.data"),
        (Tensor("images", "float64", (2**62, 2**62), b""), "Tensor.data"),
        (Tensor("images", "uint8", (), b"x"), "Tensor.shape"),
        (Tensor("images", "uint8", (1,) * 9, b"x"), "Tensor.shape"),
    ],
)
def test_violations_name_their_field_when_sending_and_when_receiving(message: typing.Any, field: str) -> None:
    with pytest.raises(codec.ProtocolError) as caught:
        codec.encode(message)
    assert caught.value.field == field
    assert "allowed is" in str(caught.value)


def test_unknown_enum_numbers_and_missing_parts_are_refused_on_arrival() -> None:
    parsed = codec.to_proto(DECISION)
    parsed.stage = 99
    with pytest.raises(codec.ProtocolError, match=r"Decision\.stage"):
        codec.from_proto(parsed)
    parsed.stage = 0
    with pytest.raises(codec.ProtocolError, match=r"Decision\.stage"):
        codec.from_proto(parsed)
    register = codec.to_proto(stream.Register("n1", "b", "", PROFILE))
    register.ClearField("profile")
    with pytest.raises(codec.ProtocolError, match=r"Register\.profile"):
        codec.from_proto(register)
    with pytest.raises(codec.ProtocolError, match="kind"):
        codec.decode_up(b"")


@pytest.mark.parametrize(
    "values", [(), (0, 2**63 - 1), [1, 2], (True, 3), (1, -1), (2**63, 0), (1, 1.5), ("1",), (None,)]
)
def test_the_rule_of_several_integers_is_that_of_each(values: typing.Any) -> None:
    one = validation.rule("Telemetry", "backlog_batches", int)

    def outcome(work: typing.Callable[[], typing.Any]) -> str:
        try:
            return repr(work())
        except validation.ProtocolError as error:
            return f"refused: {error}"

    each = outcome(lambda: tuple(one("f", value) for value in values))
    assert outcome(lambda: validation.many(one)("f", values)) == each
