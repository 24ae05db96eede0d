"""Answers of a user's model: which are right, and how many bytes one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from edge_node.tasks.own.errors import TaskError

BYTES_PER_VALUE = 4
LARGEST = ((256, 1), (65_536, 2))
"""(classes, bytes of a class)."""


def classes_of(output: Any, target: Tensor) -> Tensor | None:
    """The likeliest class at every place of ``target``: along dimension 1 of the output, as torch's cross-entropy has
    it, or along the last. None where the target is no class, or the output is of another shape."""
    if target.dtype is not torch.int64 or not isinstance(output, Tensor) or output.dim() != target.dim() + 1:
        return None
    for axis in (1, output.dim() - 1):
        if output.shape[:axis] + output.shape[axis + 1 :] == target.shape:
            return output.argmax(dim=axis)
    return None


def right_answers(output: Any, target: Tensor) -> tuple[int, int]:
    """(right answers, answers); targets below 0 are none (``ignore_index``)."""
    classes = classes_of(output, target)
    if classes is None:
        return 0, 0
    asked = target >= 0
    return int(((classes == target) & asked).sum()), int(asked.sum())


def answer_bytes(output: Any, target: Tensor) -> int:
    """Bytes of one example's answer as it travels: a class at every place of its target, else all its outputs."""
    examples = len(target)
    if classes_of(output, target) is not None:
        number = output.numel() // target.numel()
        each = next((size for most, size in LARGEST if number <= most), BYTES_PER_VALUE)
        return each * target.numel() // examples
    return BYTES_PER_VALUE * _values(output) // examples


def _values(output: Any) -> int:
    if isinstance(output, Tensor):
        return output.numel()
    if isinstance(output, Mapping):
        return sum(_values(part) for part in output.values())
    if isinstance(output, tuple | list):
        return sum(_values(part) for part in output)
    raise TaskError(
        f"the model returns a {type(output).__name__}; allowed are tensors, and tuples, lists and dictionaries of them"
    )
