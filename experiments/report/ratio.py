"""A ratio of two sums over requests, with its 95 % interval: joules per token. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from experiments.report.stats import CONFIDENCE_FRACTION


@dataclass(frozen=True, slots=True)
class Ratio:
    """Sum over sum."""

    value: float
    half_width: float | None
    """Half of the 95 % interval by how requests differ; None with one."""


def ratio(amounts: Sequence[float], counts: Sequence[float]) -> Ratio | None:
    """sum(amounts) / sum(counts), by linearisation (Cochran, Sampling Techniques, 3rd ed. 1977, section 6.4), Student's
    t. None where the counts sum to 0. Raises ValueError for another number of counts than amounts."""
    if len(amounts) != len(counts):
        raise ValueError(f"{len(amounts)} amounts and {len(counts)} counts; give one count for each amount")
    above, below = np.asarray(amounts, dtype=float), np.asarray(counts, dtype=float)
    total, n = float(below.sum()), len(below)
    if total == 0:
        return None
    value = float(above.sum()) / total
    if n < 2:
        return Ratio(value, None)
    residual = above - value * below
    error = math.sqrt(float((residual**2).sum()) / (n - 1) * n) / total
    return Ratio(value, float(stdtrit(n - 1, 0.5 + CONFIDENCE_FRACTION / 2)) * error)
