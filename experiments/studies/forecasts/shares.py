"""Shares of sums over days, with intervals over the same days."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from experiments.report.stats import CONFIDENCE_FRACTION


@dataclass(frozen=True, slots=True)
class Share:
    """Sum over sum; the interval is None on a single day."""

    value: float
    low: float | None
    high: float | None
    days: int

    def columns(self, name: str) -> dict[str, float]:
        """For a table: ``NAME_fraction``, ``NAME_low``, ``NAME_high``; NaN where there is no interval."""
        ends = (math.nan, math.nan) if self.low is None or self.high is None else (self.low, self.high)
        return {f"{name}_fraction": self.value, f"{name}_low": ends[0], f"{name}_high": ends[1]}

    def text(self, digits: int = 1) -> str:
        """In percent, with its interval."""
        shown = f"{100 * self.value:z.{digits}f} %"
        if self.low is None or self.high is None:
            return shown
        return f"{shown} ({100 * self.low:z.{digits}f} to {100 * self.high:z.{digits}f})"


def share(part: ArrayLike, whole: ArrayLike) -> Share:
    """sum(part) / sum(whole), paired by day, so that days with much to gain count more.

    Interval: Student's t on the residuals part - share * whole (ratio estimator; Cochran, Sampling Techniques, 1977,
    chapter 6). Raises ValueError where there is nothing to share."""
    a, b = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"a share needs as many parts as wholes, at least one; got {a.size} and {b.size}")
    if not b.sum() > 0:
        raise ValueError(f"a share of {b.sum():g} says nothing; the whole must be above zero")
    value = float(a.sum() / b.sum())
    n = a.size
    if n == 1:
        return Share(value, None, None, 1)
    left = a - value * b
    error = math.sqrt(float(left @ left) / (n * (n - 1))) / float(b.mean())
    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE_FRACTION / 2)) * error
    return Share(value, value - half, value + half, n)
