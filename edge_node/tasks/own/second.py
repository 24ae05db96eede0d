"""The second task of the recycling stage where the user gives none: the same inputs with other targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def second_target(target: NDArray[Any], training: NDArray[Any]) -> NDArray[Any]:
    """Classes each renamed to the next, the last to the first; real numbers mirrored within the range of ``training``.
    Classes below 0 (``ignore_index``) stay."""
    if target.dtype == np.int64:
        return np.where(target < 0, target, (target + 1) % (max(int(training.max()), 0) + 1))
    return (training.min() + training.max() - target).astype(target.dtype)
