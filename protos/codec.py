"""Messages to protobuf and back: the only file that imports generated code, and the one that validates.

Driven by tables compiled from the dataclasses. protos/validation.py holds the rules, which apply in both
directions: a message that a receiver would refuse cannot be sent. Every violation, also bytes that are not protobuf,
is a ProtocolError.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar, cast

from google.protobuf.message import DecodeError, EncodeError

from carbon_data.types import Provenance
from protos.gen import testbed_pb2 as pb
from protos.gen.testbed_pb2_grpc import (
    CoordinatorServicer,
    CoordinatorStub,
    EdgePeerServicer,
    EdgePeerStub,
    add_CoordinatorServicer_to_server,
    add_EdgePeerServicer_to_server,
)
from protos.messages import boards, inference, market, parcels, runner, slot, stream, terms
from protos.validation import (
    ACROSS,
    DTYPE_BYTES,
    MAX_INFER_BYTES,
    MAX_INFER_FIELDS,
    MAX_ITEMS,
    MAX_PARCEL_BYTES,
    MAX_REPLY_BYTES,
    MAX_STREAM_BYTES,
    ProtocolError,
    many,
    rule,
    safe_text,
    text,
)
from protos.wire import has_more_fields

__all__ = [
    "ATTEND",
    "BEGIN_SLOT",
    "DELIVER",
    "DTYPE_BYTES",
    "END_SLOT",
    "GET_REPORT",
    "GET_STATUS",
    "INFER",
    "MAX_INFER_BYTES",
    "MAX_PARCEL_BYTES",
    "MAX_REPLY_BYTES",
    "MAX_STREAM_BYTES",
    "RPCS",
    "SERVE",
    "CoordinatorServicer",
    "CoordinatorStub",
    "EdgePeerServicer",
    "EdgePeerStub",
    "ProtocolError",
    "Rpc",
    "add_CoordinatorServicer_to_server",
    "add_EdgePeerServicer_to_server",
    "decode",
    "decode_down",
    "decode_up",
    "encode",
    "encode_down",
    "encode_up",
    "from_proto",
    "safe_text",
    "to_proto",
]

# --- tables compiled from the dataclasses -----------------------------------------------------------------

_PB_NAMES: dict[type, str] = {runner.BeginSlot: "BeginSlotRequest", runner.EndSlot: "EndSlotRequest"}
_ENUMS: tuple[type[StrEnum], ...] = (
    terms.Stage,
    terms.Component,
    terms.MeterKind,
    terms.Sleep,
    terms.RequestPart,
    market.Good,
    market.Side,
    market.MarketKind,
    Provenance,
)
_TEXTS = (str, bytes)
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    pack: Convert
    unpack: Convert
    optional: bool
    required_message: bool


@dataclass(frozen=True, slots=True)
class _Codec:
    """Conversion of one message type to its protobuf type and back."""

    message_type: type
    pb_type: Any
    fields: tuple[_Field, ...]
    across: Callable[[Any], None] | None
    unpacking: tuple[tuple[str, Convert, bool, bool], ...]
    """Of each field: name, conversion, whether it can be missing on the wire, and whether it may."""

    def pack(self, message: Any) -> Any:
        if type(message) is not self.message_type:
            raise ProtocolError(
                self.message_type.__name__, type(message).__name__, self.message_type.__name__
            )
        values = {}
        for field in self.fields:
            value = getattr(message, field.name)
            if value is None and field.optional:
                continue
            values[field.name] = field.pack(value)
        if self.across is not None:
            self.across(message)
        return self.pb_type(**values)

    def unpack(self, parsed: Any) -> Any:
        values: dict[str, Any] = {}
        for name, unpack, may_lack, optional in self.unpacking:
            if may_lack and not parsed.HasField(name):
                if not optional:
                    raise ProtocolError(f"{self.message_type.__name__}.{name}", None, "a message")
                values[name] = None
                continue
            values[name] = unpack(getattr(parsed, name))
        message = self.message_type(**values)
        if self.across is not None:
            self.across(message)
        return message


_CODECS: dict[type, _Codec] = {}


def _enum_converters(where: str, kind: type[StrEnum]) -> tuple[Convert, Convert]:
    pb_enum = getattr(pb, kind.__name__)
    prefix = kind.__name__.upper() + "_"
    to_number = {member: pb_enum.Value(prefix + member.name) for member in kind}
    to_member = {number: member for member, number in to_number.items()}
    if len(to_member) + 1 != len(pb_enum.keys()):
        raise TypeError(f"{kind.__name__} and its protobuf enum have different members")
    allowed = "one of " + ", ".join(kind)

    def pack(value: Any) -> int:
        try:
            return cast(int, to_number[value])
        except (KeyError, TypeError):
            raise ProtocolError(where, value, allowed) from None

    def unpack(value: int) -> StrEnum:
        try:
            return to_member[value]
        except KeyError:
            raise ProtocolError(where, value, allowed) from None

    return pack, unpack


def _map_converter(where: str) -> Convert:
    def convert(value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
            raise ProtocolError(where, type(value).__name__, "a table of texts")
        return {text(where, key): text(where, entry) for key, entry in value.items()}

    def convert_parsed(value: Any) -> dict[str, str]:
        return convert(dict(value))

    return convert_parsed


def _many(where: str, pack: Convert, unpack: Convert) -> tuple[Convert, Convert]:
    """Of a list. What was parsed is one for certain."""

    def unpack_all(values: Any) -> tuple[Any, ...]:
        count = len(values)
        if count > MAX_ITEMS:
            raise ProtocolError(where, f"{count} items", f"at most {MAX_ITEMS} items")
        return unpack(values) if count else ()  # type: ignore[no-any-return]

    def pack_all(values: Any) -> tuple[Any, ...]:
        if isinstance(values, _TEXTS) or not hasattr(values, "__len__"):
            raise ProtocolError(where, values, "a list")
        if len(values) > MAX_ITEMS:
            raise ProtocolError(where, f"{len(values)} items", f"at most {MAX_ITEMS} items")
        return pack(values) if values else ()  # type: ignore[no-any-return]

    return pack_all, unpack_all


def _each(convert: Convert) -> Callable[[Any], tuple[Any, ...]]:
    return lambda values: tuple([convert(value) for value in values])


def _converters(owner: str, name: str, kind: Any) -> tuple[Convert, Convert]:
    """(pack, unpack) of one value of type ``kind``."""
    where = f"{owner}.{name}"
    if name == "provenance":  # text in the messages, an enum on the wire
        return _enum_converters(where, Provenance)
    if typing.get_origin(kind) is tuple:
        kind = typing.get_args(kind)[0]
        if kind not in _ENUMS and not dataclasses.is_dataclass(kind):
            convert_all = partial(many(rule(owner, name, kind)), where)
            return _many(where, convert_all, convert_all)
        pack, unpack = _converters(owner, name, kind)
        return _many(where, _each(pack), _each(unpack))
    if typing.get_origin(kind) is dict:
        return _map_converter(where), _map_converter(where)
    if kind in _ENUMS:
        return _enum_converters(where, kind)
    if dataclasses.is_dataclass(kind):
        nested = _codec(cast(type, kind))
        return nested.pack, nested.unpack
    convert: Convert = partial(rule(owner, name, kind), where)
    return convert, convert


def _codec(cls: type) -> _Codec:
    if cls in _CODECS:
        return _CODECS[cls]
    pb_type = getattr(pb, _PB_NAMES.get(cls, cls.__name__))
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]
    if set(names) != set(pb_type.DESCRIPTOR.fields_by_name):
        raise TypeError(f"{cls.__name__} and its protobuf message have different fields")
    table = []
    for name in names:
        kind = hints[name]
        optional = type(None) in typing.get_args(kind)
        if optional:
            kind = next(k for k in typing.get_args(kind) if k is not type(None))
        pack, unpack = _converters(cls.__name__, name, kind)
        table.append(_Field(name, pack, unpack, optional, dataclasses.is_dataclass(kind) and not optional))
    unpacking = tuple((f.name, f.unpack, f.optional or f.required_message, f.optional) for f in table)
    _CODECS[cls] = _Codec(cls, pb_type, tuple(table), ACROSS.get(cls), unpacking)
    return _CODECS[cls]


for _conversation in (stream, slot, market, parcels, inference, runner, boards):
    for _cls in [value for value in vars(_conversation).values() if dataclasses.is_dataclass(value)]:
        _codec(cast(type, _cls))
_BY_PB = {codec.pb_type: codec for codec in _CODECS.values()}


# --- public functions -------------------------------------------------------------------------------------

M = TypeVar("M")


def to_proto(message: Any) -> Any:
    """Protobuf message of a dataclass of protos.messages. Raises ProtocolError."""
    try:
        return _CODECS[type(message)].pack(message)
    except KeyError:
        raise ProtocolError("message", type(message).__name__, "a class of protos.messages") from None


def from_proto(parsed: Any) -> Any:
    """Validated dataclass of a parsed protobuf message. Raises ProtocolError."""
    try:
        codec = _BY_PB[type(parsed)]
    except KeyError:
        raise ProtocolError("message", type(parsed).__name__, "a message of testbed.proto") from None
    return codec.unpack(parsed)


def encode(message: Any) -> bytes:
    """Bytes of one message without an envelope. Raises ProtocolError."""
    return _serialise(to_proto(message))


def decode(cls: type[M], data: bytes, limit: int = MAX_REPLY_BYTES + MAX_STREAM_BYTES) -> M:
    """Validated message of type ``cls`` from at most ``limit`` bytes without an envelope. Raises ProtocolError."""
    codec = _CODECS[cls]
    return cast(M, codec.unpack(_parse(codec.pb_type, data, limit)))


def encode_up(message: stream.UpMessage) -> bytes:
    """Envelope of node to coordinator. Raises ProtocolError."""
    return _wrap(pb.NodeMessage, UP_KINDS, message)


def decode_up(data: bytes) -> stream.UpMessage:
    """Message of a node in an envelope. Raises ProtocolError."""
    return cast(stream.UpMessage, _unwrap(pb.NodeMessage, data))


def encode_down(message: stream.DownMessage) -> bytes:
    """Envelope of coordinator to node. Raises ProtocolError."""
    return _wrap(pb.CoordinatorMessage, DOWN_KINDS, message)


def decode_down(data: bytes) -> stream.DownMessage:
    """Message of the coordinator in an envelope. Raises ProtocolError."""
    return cast(stream.DownMessage, _unwrap(pb.CoordinatorMessage, data))


def _kinds(envelope: Any) -> dict[type, str]:
    return {
        _BY_PB[field.message_type._concrete_class].message_type: field.name
        for field in envelope.DESCRIPTOR.fields
    }


UP_KINDS, DOWN_KINDS = _kinds(pb.NodeMessage), _kinds(pb.CoordinatorMessage)
_FROM_BOARD, _TO_BOARD = _kinds(pb.FromBoard), _kinds(pb.ToBoard)


def _serialise(built: Any) -> bytes:
    try:
        return cast(bytes, built.SerializeToString(deterministic=True))
    except (EncodeError, ValueError) as error:
        raise ProtocolError(type(built).__name__, str(error), "a message that serialises") from None


def _parse(pb_type: Any, data: bytes, limit: int) -> Any:
    if len(data) > limit:
        raise ProtocolError(pb_type.DESCRIPTOR.name, f"{len(data)} bytes", f"at most {limit} bytes")
    try:
        return pb_type.FromString(data)
    except (DecodeError, ValueError) as error:
        raise ProtocolError(
            pb_type.DESCRIPTOR.name, str(error), "a serialised message of testbed.proto"
        ) from None


def _wrap(envelope: Any, kinds: dict[type, str], message: Any) -> bytes:
    try:
        kind = kinds[type(message)]
    except KeyError:
        names = ", ".join(cls.__name__ for cls in kinds)
        raise ProtocolError("kind", type(message).__name__, f"one of {names}") from None
    data = _serialise(envelope(**{kind: to_proto(message)}))
    if len(data) > MAX_STREAM_BYTES:
        raise ProtocolError(kind, f"{len(data)} bytes", f"at most {MAX_STREAM_BYTES} bytes")
    return data


def _unwrap(envelope: Any, data: bytes) -> Any:
    parsed = _parse(envelope, data, MAX_STREAM_BYTES)
    kind = parsed.WhichOneof("kind")
    if kind is None:
        raise ProtocolError("kind", None, "a message of a known kind")
    return from_proto(getattr(parsed, kind))


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call: its path, and bytes to messages on both sides.

    Servers should let gRPC pass bytes through and call these themselves, so that a ProtocolError
    becomes INVALID_ARGUMENT or a Refusal instead of INTERNAL without details.
    """

    service: str
    method: str
    encode_request: Callable[[Any], bytes]
    decode_request: Callable[[bytes], Any]
    encode_response: Callable[[Any], bytes]
    decode_response: Callable[[bytes], Any]

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.method}"


def _plain(
    service: str,
    method: str,
    request: type,
    response: type,
    limit: int = MAX_REPLY_BYTES + MAX_STREAM_BYTES,
    most_fields: int | None = None,
) -> Rpc:
    """A call whose messages travel without an envelope; ``most_fields``: at their top level, None: any number."""

    def read(cls: type) -> Callable[[bytes], Any]:
        def judged(data: bytes) -> Any:
            if most_fields is not None and len(data) <= limit and has_more_fields(data, most_fields):
                raise ProtocolError(cls.__name__, "more fields", f"at most {most_fields} fields")
            return decode(cls, data, limit)

        return judged

    return Rpc(f"detabed.v1.{service}", method, encode, read(request), encode, read(response))


ATTEND = Rpc("detabed.v1.Coordinator", "Attend", encode_up, decode_up, encode_down, decode_down)
SERVE = Rpc(
    "detabed.v1.Boards",
    "Serve",
    lambda message: _wrap(pb.FromBoard, _FROM_BOARD, message),
    lambda data: _unwrap(pb.FromBoard, data),
    lambda message: _wrap(pb.ToBoard, _TO_BOARD, message),
    lambda data: _unwrap(pb.ToBoard, data),
)
BEGIN_SLOT = _plain("Coordinator", "BeginSlot", runner.BeginSlot, runner.SlotPlan)
END_SLOT = _plain("Coordinator", "EndSlot", runner.EndSlot, runner.SlotSummary)
GET_STATUS = _plain("Coordinator", "GetStatus", runner.StatusRequest, runner.Status)
GET_REPORT = _plain("Coordinator", "GetReport", runner.ReportQuery, runner.Report)
DELIVER = _plain("EdgePeer", "Deliver", parcels.Parcel, parcels.Receipt)
INFER = _plain(
    "EdgeInference", "Infer", inference.InferRequest, inference.InferAnswer, MAX_INFER_BYTES, MAX_INFER_FIELDS
)
RPCS = (ATTEND, SERVE, BEGIN_SLOT, END_SLOT, GET_STATUS, GET_REPORT, DELIVER, INFER)
