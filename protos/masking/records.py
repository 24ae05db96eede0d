"""Bytes of what a message tells beside its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NUMBER_BYTES = 8


def record_bytes(record: Mapping[str, Any]) -> int:
    """Payload of a record: bytes and texts as they are, numbers eight each. Names of its keys are not counted, as those
    of a model's arrays are not."""
    return sum(_bytes(value) for value in record.values())


def _bytes(value: Any) -> int:
    if isinstance(value, list | tuple):
        return sum(_bytes(item) for item in value)
    if isinstance(value, bytes):
        return len(value)
    return len(value.encode()) if isinstance(value, str) else NUMBER_BYTES
