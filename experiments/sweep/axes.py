"""Axes of a sweep: scenario keys and their values, as ``--set KEY=VALUES`` has them.

VALUES is a list (``wifi-low,wifi-high``; items as in TOML, or plain words), a range ``LOW:HIGH:STEP`` with both ends,
or, in a random design, an interval ``LOW:HIGH``. KEY is dotted. A table of several (``nodes``) is counted from 0
(``nodes.0.zone``); without a number the key is set in all of them (``nodes.count``).
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from experiments.errors import UsageError
from experiments.scenario.model import Scenario

POLICY = "policy"
NO_AXES = {
    "seed": "seeds are paired: give --seeds N, which counts from the scenario's seed on",
    "name": "it is a name, and no figure depends on it",
}
MAX_VALUES = 10_000
"""Of one axis: a typing error in a step must not fill the memory."""
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER}):(?P<high>{_NUMBER})(:(?P<step>{_NUMBER}))?")
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Axis:
    """A key and its values; an interval has two, its ends."""

    key: str
    values: tuple[Any, ...]
    interval: bool = False

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise UsageError(
                f"--set {self.key}: not a dotted key of a scenario; write it as e.g. network.transport or nodes.0.zone"
            )
        if self.key in NO_AXES:
            raise UsageError(f"--set {self.key}: no axis; {NO_AXES[self.key]}")
        if not self.values:
            raise UsageError(f"--set {self.key}: no value; give a list such as 1,2,3, or LOW:HIGH:STEP")
        if len(self.values) > MAX_VALUES:
            raise UsageError(f"--set {self.key}: {len(self.values)} values; allowed are up to {MAX_VALUES}")
        seen: list[Any] = []
        for value in map(comparable, self.values):
            if value in seen:
                raise UsageError(f"--set {self.key}: {shown(value)} is given twice; give each value once")
            seen.append(value)


def comparable(value: Any) -> Any:
    """1 and 1.0 are one value, true and 1 are two."""
    return (bool, value) if isinstance(value, bool) else value


def shown(value: Any) -> str:
    """A value in a message, a table or a picture."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] is bool:
        value = value[1]
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, bool | Mapping | list):
        return json.dumps(value, default=str)
    return str(value)


def assignment(axes: Sequence[Axis], values: Sequence[Any]) -> str:
    """``key=value, key=value``."""
    return ", ".join(f"{axis.key}={shown(value)}" for axis, value in zip(axes, values, strict=True))


def parse_axes(texts: Sequence[str], random: bool) -> tuple[Axis, ...]:
    """The axes of ``--set``. Raises UsageError, also for a key that is given twice."""
    return checked([parse_axis(text, random) for text in texts])


def axes_of(given: Mapping[str, Any], random: bool) -> tuple[Axis, ...]:
    """The axes of a call in Python: values by key, as a list or as the text that ``--set`` takes."""
    found = []
    for key, values in given.items():
        if isinstance(values, str):
            found.append(parse_axis(f"{key}={values}", random))
        elif isinstance(values, Iterable) and not isinstance(values, Mapping):
            found.append(Axis(key, tuple(_python(value) for value in values)))
        else:
            raise UsageError(f"axis {key}: {shown(values)} is no list of values; give e.g. [{shown(values)}]")
    return checked(found)


def _python(value: Any) -> Any:
    """numpy's numbers as Python's: scenarios are strict."""
    return value.item() if hasattr(value, "item") and not isinstance(value, str | bytes) else value


def checked(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """``axes``, none of which is there twice or lies in another."""
    for place, axis in enumerate(axes):
        for other in axes[:place]:
            if f"{axis.key}.".startswith(f"{other.key}.") or f"{other.key}.".startswith(f"{axis.key}."):
                both = (
                    "is given twice" if axis.key == other.key else f"and --set {other.key} set the same key"
                )
                raise UsageError(f"--set {axis.key} {both}; give one axis with all values")
    return tuple(axes)


def parse_axis(text: str, random: bool = False) -> Axis:
    """``KEY=VALUES``."""
    key, sign, values = text.partition("=")
    key, values = key.strip(), values.strip()
    if not sign:
        raise UsageError(
            f"--set {text}: no values; write KEY=VALUES, e.g. --set network.transport=wifi-low,wifi-high"
        )
    found = _RANGE.fullmatch(values)
    if found is None:
        return Axis(key, _items(key, values))
    if found["step"] is None:
        if not random:
            raise UsageError(
                f"--set {text}: an interval has no grid; write {values}:STEP, or --random N to draw from it"
            )
        return _interval(key, found["low"], found["high"])
    return Axis(key, _steps(text, found["low"], found["high"], found["step"]))


def _items(key: str, text: str) -> tuple[Any, ...]:
    try:
        whole: list[Any] = tomllib.loads(f"values = [{text}]")["values"]
        return tuple(whole)
    except (ValueError, RecursionError):
        return tuple(_item(part.strip()) for part in text.split(",") if part.strip())


def _item(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _steps(text: str, low: str, high: str, step: str) -> tuple[Any, ...]:
    first, last, by = Decimal(low), Decimal(high), Decimal(step)
    if by <= 0 or last < first:
        raise UsageError(
            f"--set {text}: no values from LOW to HIGH by STEP; LOW must not be above HIGH, STEP above 0"
        )
    count = int((last - first) / by) + 1
    if count > MAX_VALUES:
        raise UsageError(f"--set {text}: {count} values; allowed are up to {MAX_VALUES}: take a larger STEP")
    return tuple(_number(first + by * k, low, high, step) for k in range(count))


def _number(value: Decimal, *written: str) -> int | float:
    whole = all(re.fullmatch(r"[+-]?\d+", text) for text in written)
    return int(value) if whole else float(value)


def _interval(key: str, low: str, high: str) -> Axis:
    whole = takes_whole_numbers(key)
    ends = (
        (_number(Decimal(low), low, high), _number(Decimal(high), low, high))
        if whole
        else (float(low), float(high))
    )
    if not (math.isfinite(ends[0]) and ends[0] < ends[1]):
        raise UsageError(f"--set {key}={low}:{high}: LOW must be below HIGH")
    return Axis(key, ends, interval=True)


def takes_whole_numbers(key: str) -> bool:
    """Whether the scenario's key takes integers and no fractions."""
    table: Any = Scenario
    for part in key.split("."):
        if not part.isdigit():
            fields = getattr(table, "model_fields", {})
            table = fields[part].annotation if part in fields else None
        table = _model_in(table) or table
    return table is int


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)
