"""What a Flower strategy carries from round to round, taken out as JSON and arrays, and given to a fresh one.

Strategies keep their momenta, norms and last models in plain attributes: every attribute is kept that is a number, a
text, an array, a model, or a list or dictionary of those, also of a strategy inside. Functions are part of what it was
made with. Anything else might hold state that cannot be seen: such a strategy is named, and not resumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import Strategy

from edge_node.adapters.npy import array_view

Tensors = dict[str, Any]


class NotKeptError(Exception):
    """An attribute of a strategy that cannot be stored."""


def keep(strategy: Strategy) -> tuple[dict[str, Any], Tensors]:
    """(attributes as JSON, arrays by the names that stand for them in it). Raises NotKeptError."""
    tensors: Tensors = {}
    return _attributes(strategy, type(strategy).__name__, tensors), tensors


def recall(strategy: Strategy, kept: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
    """Give ``strategy``, a new object with the same options, what ``keep`` took out of another one."""
    for name, told in kept.items():
        if "strategy" in told:
            recall(getattr(strategy, name), told["strategy"], tensors)
        else:
            setattr(strategy, name, _made(told, tensors))


def _attributes(strategy: Any, place: str, tensors: Tensors) -> dict[str, Any]:
    kept = {}
    for name, value in vars(strategy).items():
        if isinstance(value, Strategy):
            kept[name] = {"strategy": _attributes(value, f"{place}.{name}", tensors)}
        elif not callable(value):
            kept[name] = _told(value, f"{place}.{name}", tensors)
    return kept


def _told(value: Any, place: str, tensors: Tensors) -> dict[str, Any]:
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        name = f"strategy/{len(tensors)}"
        tensors[name] = np.array(value, order="C")
        return {"array": name, "scalar": isinstance(value, np.generic)}
    if value is None or isinstance(value, bool | int | str):
        return {"value": value}
    if isinstance(value, float):
        return {"float": value.hex()}  # not finite ones too
    if isinstance(value, ArrayRecord):
        return {"model": {key: _told(array_view(array.data), place, tensors) for key, array in value.items()}}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_told(item, f"{place}[{k}]", tensors) for k, item in enumerate(value)]}
    if isinstance(value, dict) and all(isinstance(key, str | int) for key in value):
        return {"dict": [[key, _told(item, f"{place}[{key!r}]", tensors)] for key, item in value.items()]}
    raise NotKeptError(f"{place} is a {type(value).__name__}")


def _made(told: Mapping[str, Any], tensors: Mapping[str, Any]) -> Any:
    (kind, value), *_ = told.items()
    if kind == "float":
        return float.fromhex(value)
    if kind == "array":
        return tensors[value][()] if told["scalar"] else tensors[value]
    if kind == "model":
        return ArrayRecord({key: Array(_made(array, tensors)) for key, array in value.items()})
    if kind in ("list", "tuple"):
        items = [_made(item, tensors) for item in value]
        return items if kind == "list" else tuple(items)
    return {key: _made(item, tensors) for key, item in value} if kind == "dict" else value
