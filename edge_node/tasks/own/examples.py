"""A map-style data set of (input, target) as arrays, so that its examples can be divided, moved and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_node.tasks.own.errors import TaskError, user_code
from edge_node.workload import Arrays

TARGET = "target"
INPUT = "input"
MEMORY_FRACTION = 0.5
"""Of the memory that is free: what a data set may take."""


@dataclass(frozen=True, slots=True)
class Form:
    """How inputs are given to the model."""

    kind: str
    """``one`` tensor, several in order (``tuple``), or by name (``dict``)."""
    names: tuple[str, ...]
    """Of the arrays, in the order of the model's arguments."""

    def input(self, arrays: Mapping[str, Tensor]) -> Any:
        """The model's input: a tensor, a tuple, or a dictionary."""
        parts = [arrays[name] for name in self.names]
        if self.kind == "one":
            return parts[0]
        if self.kind == "tuple":
            return tuple(parts)
        return {name.removeprefix(f"{INPUT}."): part for name, part in zip(self.names, parts, strict=True)}


def read_examples(data: Any, what: str) -> tuple[Form, dict[str, NDArray[Any]]]:
    """All examples of ``data``: the form of inputs, and arrays by name, axis 0 the examples. Raises TaskError.

    Floating point becomes float32, and whole numbers of targets int64."""
    size = _size(data, what)
    form, first = _parts(_item(data, 0, what), what, 0)
    _require_memory(first, size, what)
    arrays = {name: np.empty((size, *part.shape), part.dtype) for name, part in first.items()}
    for k in range(size):
        _, parts = (form, first) if k == 0 else _parts(_item(data, k, what), what, k)
        if parts.keys() != first.keys():
            raise TaskError(
                f"{what}: example {k} has {', '.join(parts)}, example 0 has {', '.join(first)}; all examples need "
                "the same parts"
            )
        for name, part in parts.items():
            if part.shape != first[name].shape:
                raise TaskError(
                    f"{what}: {name} of example {k} has shape {part.shape}, that of example 0 {first[name].shape}; "
                    "examples share one shape: crop, resize or pad them"
                )
            if not np.can_cast(part.dtype, arrays[name].dtype, "same_kind"):
                raise TaskError(
                    f"{what}: {name} of example {k} is {part.dtype}, that of example 0 {arrays[name].dtype}; "
                    "give all examples one type"
                )
            arrays[name][k] = part
    return form, arrays


def _size(data: Any, what: str) -> int:
    kind = type(data).__name__
    if isinstance(data, torch.utils.data.DataLoader):
        raise TaskError(f"{what} is a DataLoader; give the data set that it reads (loader.dataset)")
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise TaskError(
            f"{what} is a {kind} without __len__ and __getitem__: a stream cannot be divided among nodes; give a "
            "map-style data set, such as list(stream)"
        )
    with user_code(f"len({what})"):
        size = len(data)
    if size < 1:
        raise TaskError(f"{what} (a {kind}) is empty; a node needs at least one example")
    return size


def _item(data: Any, k: int, what: str) -> Any:
    with user_code(f"{what}[{k}]"):
        return data[k]


def _parts(item: Any, what: str, k: int) -> tuple[Form, dict[str, NDArray[Any]]]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        got = f"{len(item)} parts" if isinstance(item, tuple | list) else f"a {type(item).__name__}"
        raise TaskError(
            f"{what}[{k}] is {got}; an example is (input, target), where input is a tensor, a tuple of tensors, or a "
            "dictionary of the model's arguments"
        )
    x, y = item
    if isinstance(x, Mapping):
        kind, inputs = "dict", {f"{INPUT}.{name}": part for name, part in x.items()}
    elif isinstance(x, tuple):
        kind, inputs = "tuple", {f"{INPUT}{place}": part for place, part in enumerate(x)}
    else:
        kind, inputs = "one", {INPUT: x}
    if not inputs:
        raise TaskError(f"{what}[{k}] has an input without any tensor; give at least one")
    arrays = {name: _array(part, f"{name} of {what}[{k}]") for name, part in inputs.items()}
    target = _array(y, f"target of {what}[{k}]")
    whole = target.astype(np.int64) if target.dtype.kind in "iub" else target
    return Form(kind, tuple(inputs)), {**arrays, TARGET: whole}


def _array(value: Any, what: str) -> NDArray[Any]:
    if isinstance(value, Tensor):
        found = value.detach().cpu()
        array = (found.float() if found.is_floating_point() else found).numpy()
    else:
        with user_code(what):
            array = np.asarray(value)
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.kind not in "iub":
        raise TaskError(
            f"{what} is a {type(value).__name__}; allowed are tensors, arrays, images and numbers: turn it into one in "
            "the data set"
        )
    return array


def _require_memory(first: Arrays, size: int, what: str) -> None:
    needed = size * sum(part.nbytes for part in first.values())
    free = psutil.virtual_memory().available
    if needed > MEMORY_FRACTION * free:
        raise TaskError(
            f"{what} has {size} examples, {needed / 1e9:.3g} GB in all, and {free / 1e9:.3g} GB of memory are free "
            f"here; allowed is {MEMORY_FRACTION:.0%} of that: take fewer examples (torch.utils.data.Subset), or store "
            "smaller ones and convert them with transform"
        )
