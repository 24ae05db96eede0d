"""Figures in the answers of users' Flower apps, which name them as they like: accuracy, losses, examples.

Imports nothing of Flower: a message is whatever has records of metrics and of settings. Apps of Flower's older
interface (NumPyClient) have their own metrics among the settings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

EXAMPLES = ("num-examples", "num_examples")
ACCURACY = ("accuracy", "test_accuracy", "eval_accuracy", "eval_acc", "test_acc", "val_accuracy", "acc")
LOSS = ("loss", "test_loss", "eval_loss", "val_loss")
TRAIN_LOSS = ("train_loss", "loss")
"""Names in the order of preference; a name that contains the shortest stands in where none is there."""


def numbers_of(message: Any) -> dict[str, float]:
    """Single numbers in the records of an answer, by name."""
    found: dict[str, float] = {}
    content = message.content
    for records in (content.config_records, content.metric_records):
        for record in records.values():
            for name, value in record.items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found[name] = float(value)
    return found


def figure_of(numbers: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    """The figure by the first of ``names`` that is there; else by the one name that contains the shortest of them
    (``test_logloss`` for a loss); None where there is none, or more than one."""
    name = name_of(numbers, names)
    return None if name is None else numbers[name]


def examples_of(numbers: Mapping[str, float]) -> int:
    """Examples of an answer; 0 where it does not say. Raises ValueError for a number that is no count."""
    count = figure_of(numbers, EXAMPLES)
    if count is not None and not 0 <= count < math.inf:
        raise ValueError(
            f"{name_of(numbers, EXAMPLES)} is {count:g}; allowed is a finite number of 0 or more"
        )
    return int(count or 0)


def name_of(names_there: Iterable[str], names: tuple[str, ...]) -> str | None:
    """The name that ``figure_of`` takes."""
    there = {_plain(name): name for name in names_there}
    for name in names:
        if _plain(name) in there:
            return there[_plain(name)]
    part = _plain(min(names, key=len))
    like = [name for plain, name in there.items() if part in plain]
    return like[0] if len(like) == 1 else None


def weighted_mean(rows: Iterable[Mapping[str, float]], names: tuple[str, ...]) -> float | None:
    """Mean of a figure over answers, weighted by their examples (one each where they do not say); None without any."""
    total = weight = 0.0
    for numbers in rows:
        value, examples = figure_of(numbers, names), figure_of(numbers, EXAMPLES)
        if value is not None:
            count = 1.0 if examples is None else examples
            total, weight = total + value * count, weight + count
    return total / weight if weight else None


def _plain(name: str) -> str:
    return re.sub(r"[-. ]", "_", name.lower())
