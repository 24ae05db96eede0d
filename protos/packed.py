"""Bytes of numbers in a message: lists of integers that are not negative are packed, seven bits a byte. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def packed_bytes(numbers: Iterable[int]) -> int:
    """Of a list's numbers, each >= 0, without the list's own few bytes."""
    return sum(max(1, (number.bit_length() + 6) // 7) for number in numbers)
