"""A message or a record as the body of an entry."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

_PLAIN = (int, str, float, bool, type(None))
_NUMBERS = frozenset({int, float})


def body_of(record: Any) -> dict[str, Any]:
    """What ``dataclasses.asdict`` gives of records whose values cannot change (numbers, texts, tuples, tables of
    texts, records of them), without copying those: ``asdict`` took a sixth of a slot's time in the coordinator."""
    return {name: _value(getattr(record, name)) for name in _names(record.__class__)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _value(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, tuple | list):
        if type(value) is tuple and _NUMBERS.issuperset(map(type, value)):
            return value  # the long ones: forecasts
        return type(value)([_value(one) for one in value])
    if isinstance(value, dict):
        return {key: _value(one) for key, one in value.items()}
    if is_dataclass(value):
        return body_of(value)
    raise TypeError(
        f"{type(value).__name__} has no place in an entry; allowed are numbers, texts, tuples, tables"
    )
