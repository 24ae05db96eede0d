"""A message or a record as the body of an entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any

_PLAIN = (int, str, float, bool, type(None))
_MOSTLY = frozenset(_PLAIN)
"""Asked first: a look at the type alone takes a third of the time."""
_NUMBERS = frozenset({int, float})


def body_of(record: Any) -> dict[str, Any]:
    """What ``dataclasses.asdict`` gives of records whose values cannot change (numbers, texts, tuples, tables of
    texts, records of them), without copying those: ``asdict`` took a sixth of a slot's time in the coordinator."""
    names, values = _fields(record.__class__)
    return {
        name: value if type(value) in _MOSTLY else _value(value)
        for name, value in zip(names, values(record), strict=True)
    }


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], Sequence[Any]]]:
    """Names of a record's fields, and what gives all their values at once."""
    names = tuple(field.name for field in fields(kind))
    if len(names) > 1:
        return names, attrgetter(*names)
    return names, lambda record: [getattr(record, name) for name in names]


def _value(value: Any) -> Any:
    if type(value) in _MOSTLY or isinstance(value, _PLAIN):
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
