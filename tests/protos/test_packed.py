"""Bytes of packed numbers are those that the codec writes."""

from __future__ import annotations

from protos.codec import to_proto
from protos.messages.slot import Answer, Recalled
from protos.packed import packed_bytes


def test_numbers_take_as_many_bytes_as_in_a_message() -> None:
    for number in (0, 1, 127, 128, 16_383, 16_384, 2**21 - 1, 2**21, 2**31 - 1, 2**40):
        one, two = (_size((number,) * count) for count in (1, 2))
        assert two - one == 3 * packed_bytes([number]), number
    assert packed_bytes([]) == 0
    assert packed_bytes([1, 300, 70_000]) == 6


def _size(tokens: tuple[int, ...]) -> int:
    """Of three equal answers, so that what lists' own lengths take is the same."""
    told = Recalled(0, 3, 0, tuple(Answer(k, tokens, 1) for k in range(3)))
    return len(to_proto(told).SerializeToString())
