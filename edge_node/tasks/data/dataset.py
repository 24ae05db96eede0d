"""Data sets as named arrays. No dependency on a learning framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples as named arrays, axis 0 the examples; one copy a process, never written to."""

    name: str
    origin: str
    """Where the data come from, for the report: source and what was done to it."""
    train: Mapping[str, NDArray[Any]]
    test: Mapping[str, NDArray[Any]]
    groups: NDArray[np.int64]
    """Per training example what label-skewed partitions skew: its class, or the speaker of a text."""
    num_classes: int

    @property
    def num_train(self) -> int:
        return len(self.groups)

    @property
    def num_test(self) -> int:
        return len(next(iter(self.test.values())))
