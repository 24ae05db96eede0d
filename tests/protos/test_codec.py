"""Codec: every valid message is preserved, every violation of the contract is refused with ProtocolError."""

from __future__ import annotations

import dataclasses
import math
import pkgutil
import random
import typing
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.types import Provenance
from protos import codec, messages
from protos.messages import inference, market, runner, slot, stream
from protos.messages.parcels import HandedPrompt, Parcel, Tensor
from protos.messages.slot import Decision
from protos.messages.stream import Refusal
from protos.messages.terms import Component, Stage
from tests.protos.samples import PARCEL, PROFILE

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", fullmatch=True)
TEXT = st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=20).filter(str.isprintable)
COUNTS = st.integers(0, 2**63 - 1)
SPECIAL: dict[str, st.SearchStrategy[typing.Any]] = {
    "data_digest": st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    "address": st.sampled_from(["", "127.0.0.1:50051", "node-7.local:80", "[::1]:9"]),
    "peer_address": st.just("10.0.0.1:1"),
    "provenance": st.sampled_from([str(p) for p in Provenance]),
    "mean_loss": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "reason": TEXT,
    "status": TEXT,
    **dict.fromkeys(("labels", "versions"), st.dictionaries(TEXT, TEXT, max_size=3)),
    "infer_address": st.just("10.0.0.1:1"),
    "data": st.binary(max_size=50),
    "gap_fraction": st.none() | st.floats(0, 50),
    "relaxation": st.floats(1, 2),
    "sha256": st.just("0f" * 32),
    **dict.fromkeys(("rho_factor", "unit_j", "unit_batches", "unit_g_per_j", "rho"), st.floats(1e-9, 1e9)),
}


@st.composite
def parcels(draw: st.DrawFn) -> Parcel:
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    ids = tuple(draw(st.lists(COUNTS, min_size=len(sizes), max_size=len(sizes), unique=True)))
    tensors = []
    for name in draw(st.lists(IDS, min_size=1, max_size=3, unique=True)):
        tail = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
        dtype = draw(st.sampled_from(sorted(codec.DTYPE_BYTES)))
        size = sum(sizes) * math.prod(tail) * codec.DTYPE_BYTES[dtype]
        tensors.append(Tensor(name, dtype, (sum(sizes), *tail), bytes(size)))
    owner, executor = draw(st.lists(IDS, min_size=2, max_size=2, unique=True))
    read = draw(st.lists(message_of(HandedPrompt), max_size=1))
    prompts = tuple(dataclasses.replace(one, batch_id=ids[0], place=0) for one in read)
    head = (draw(IDS), draw(COUNTS), draw(COUNTS), owner, executor)
    return Parcel(*head, ids, tuple(tensors), sizes, prompts=prompts)


def value_of(name: str, kind: typing.Any) -> st.SearchStrategy[typing.Any]:
    if name in SPECIAL:
        return SPECIAL[name]
    arguments = typing.get_args(kind)
    if type(None) in arguments:
        return st.none() | value_of(name, next(k for k in arguments if k is not type(None)))
    if typing.get_origin(kind) is tuple:
        return st.lists(value_of(name, arguments[0]), max_size=3).map(tuple)
    if dataclasses.is_dataclass(kind):
        return message_of(typing.cast(type, kind))
    if issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    if kind is float:
        return st.floats(0, 1) if name.endswith("_fraction") else st.floats(0, 1e300)
    return {int: COUNTS, bool: st.booleans(), str: IDS, bytes: st.binary(max_size=8)}[kind]


@st.composite
def servings(draw: st.DrawFn) -> slot.Serving:
    bins = tuple(sorted(draw(st.sets(st.integers(0, 2000), max_size=5))))
    counts = tuple(draw(st.integers(1, 9)) for _ in bins)
    seconds = st.none() | st.floats(0, 1e6)
    return slot.Serving(
        draw(IDS),
        sum(counts),
        draw(COUNTS),
        draw(COUNTS),
        draw(COUNTS),
        0,
        draw(seconds),
        draw(seconds),
        draw(seconds),
        bins,
        counts,
        draw(st.floats(0, 1e6)),
        draw(st.floats(0, 1e6)),
    )


def message_of(cls: type) -> st.SearchStrategy[typing.Any]:
    if cls is Parcel:
        return parcels()
    if cls is Tensor:
        return parcels().map(lambda parcel: parcel.tensors[0])
    if cls is slot.Serving:
        return servings()
    if cls in (inference.InferRequest, inference.InferAnswer):
        others = {
            field.name: value_of(field.name, typing.get_type_hints(cls)[field.name])
            for field in dataclasses.fields(cls)
        }
        return st.builds(cls, **{**others, "tensors": parcels().map(lambda parcel: parcel.tensors)})
    if cls is market.Quote:
        sizes = st.integers(1, 9).map(float)
        return st.builds(
            cls, st.sampled_from(market.Good), st.sampled_from(market.Side), st.floats(0, 9), sizes
        )
    if cls is market.Offers:
        said = st.lists(message_of(market.Quote), max_size=3).map(tuple)
        trades = st.lists(st.floats(-9, 9), max_size=3).map(tuple)
        either = st.tuples(said, st.just(())) | st.tuples(st.just(()), trades)
        head = st.tuples(IDS, COUNTS, COUNTS, COUNTS, COUNTS)
        return st.tuples(head, either).map(lambda parts: market.Offers(*parts[0], *parts[1]))
    hints = typing.get_type_hints(cls)
    if cls is market.MarketTerms:
        lengths = {"intensity_g_per_kwh": 2, "bytes_per_batch": 2, "offloadable": 2, "scarcity": 2}
        fixed = {
            name: st.tuples(*[value_of(name, typing.get_args(hints[name])[0])] * count)
            for name, count in lengths.items()
        }
        fixed["scarcity"] = st.just(()) | st.tuples(st.floats(0, 1), st.floats(0, 1))
        rest = {
            f.name: value_of(f.name, hints[f.name]) for f in dataclasses.fields(cls) if f.name not in fixed
        }
        return st.builds(cls, **rest, **fixed)
    return st.builds(
        cls, **{field.name: value_of(field.name, hints[field.name]) for field in dataclasses.fields(cls)}
    )


WITHIN_A_PROCESS = {"columns"}
"""Nodes as rows: their messages are on no wire."""
CONVERSATIONS = [
    pkgutil.resolve_name(f"protos.messages.{one.name}")
    for one in pkgutil.iter_modules(messages.__path__)
    if one.name not in WITHIN_A_PROCESS
]
CLASSES = list(
    dict.fromkeys(
        value for one in CONVERSATIONS for value in vars(one).values() if dataclasses.is_dataclass(value)
    )
)
UP = typing.get_args(stream.UpMessage)
DOWN = typing.get_args(stream.DownMessage)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_message_survives_the_wire(cls: type) -> None:
    @settings(max_examples=30, deadline=None)
    @given(message_of(cls))
    def round_trip(message: typing.Any) -> None:
        assert codec.from_proto(codec.to_proto(message)) == message
        assert codec.decode(cls, codec.encode(message)) == message
        if cls in UP:
            assert codec.decode_up(codec.encode_up(message)) == message
        if cls in DOWN:
            assert codec.decode_down(codec.encode_down(message)) == message

    round_trip()


def test_envelopes_carry_exactly_the_messages_of_their_direction() -> None:
    assert set(codec.UP_KINDS) == set(UP)
    assert set(codec.DOWN_KINDS) == set(DOWN)
    with pytest.raises(codec.ProtocolError, match="kind"):
        codec.encode_up(slot.CloseSlot(0, 0))  # type: ignore[arg-type]


DECISION = Decision("n1", 1, 2, Stage.DEVELOPMENT, True, 3, (), (), 0, 0, 0, 1.0)


def test_a_stream_message_above_its_limit_is_refused_on_both_sides() -> None:
    long = dataclasses.replace(DECISION, guests=tuple(slot.Guest(f"node-{k:06d}", k) for k in range(20_000)))
    with pytest.raises(codec.ProtocolError, match="at most 262144 bytes"):
        codec.encode_down(long)
    with pytest.raises(codec.ProtocolError, match="at most 262144 bytes"):
        codec.decode_down(bytes(codec.MAX_STREAM_BYTES + 1))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_raise_only_protocol_errors(data: bytes) -> None:
    for parse in (codec.decode_up, codec.decode_down, lambda d: codec.decode(Parcel, d)):
        try:
            parse(data)
        except codec.ProtocolError:
            continue


def _samples() -> list[tuple[typing.Callable[[bytes], typing.Any], bytes]]:
    usage = slot.Usage(
        *("n1", "b1", 1, 1, 2),
        (slot.EnergyLine(Stage.DEVELOPMENT, Component.COMPUTE, 5, "modelled"),),
        *(6, (slot.Executed("n1", 3),), (slot.Moved("n2", True, 1, 9),), 4, 0.5),
    )
    return [
        (codec.decode_up, codec.encode_up(stream.Register("n1", "b", "h:1", PROFILE))),
        (codec.decode_up, codec.encode_up(usage)),
        (
            codec.decode_down,
            codec.encode_down(dataclasses.replace(DECISION, guests=(slot.Guest("g", 1),))),
        ),
        (lambda data: codec.decode(Parcel, data), codec.encode(PARCEL)),
    ]


@pytest.mark.parametrize("index", range(4))
def test_mutated_messages_raise_only_protocol_errors(index: int) -> None:
    parse, data = _samples()[index]
    random_source = random.Random(index)
    for _ in range(5_000):
        mutant = bytearray(data)
        for _ in range(random_source.randint(1, 4)):
            position = random_source.randrange(len(mutant))
            choice = random_source.random()
            if choice < 0.7:
                mutant[position] = random_source.randrange(256)
            elif choice < 0.85 and len(mutant) > 1:
                del mutant[position]
            else:
                mutant.insert(position, random_source.randrange(256))
        try:
            parse(bytes(mutant))
        except codec.ProtocolError:
            continue


def test_safe_text_makes_any_reason_sendable() -> None:
    reason = codec.safe_text(ValueError("bad \x00 \ud800 " + "x" * 9_999))
    assert codec.decode_up(codec.encode_up(Refusal("bad-input", reason))) == Refusal("bad-input", reason)


def test_every_rpc_of_the_schema_has_its_serialisers() -> None:
    services = codec.pb.DESCRIPTOR.services_by_name
    expected = {f"/{s.full_name}/{m.name}" for s in services.values() for m in s.methods}
    assert {rpc.path for rpc in codec.RPCS} == expected
    begin = runner.BeginSlot(3, Stage.DEVELOPMENT, 1.5)
    assert codec.BEGIN_SLOT.decode_request(codec.BEGIN_SLOT.encode_request(begin)) == begin
