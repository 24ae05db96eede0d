"""Whether a series grows linearly: by its exponent and its curvature, each with an interval.

Exponent p of y = a + b x^p (p = 0: a + b ln x), fitted to every row of every training seed. Its 95 % interval holds all
p whose least squares are not worse than the best by more than F allows; an intercept is allowed, since a line has one.
Curvature: the quadratic coefficient of y over x, in units of what the series rises over one x per x, with Student's
interval. Linear means: the slope's interval lies above zero, the exponent's holds 1, the curvature's holds 0, and
each of the other laws through the same points is left out by one of the two: log (p = 0), square (p = 2), exponential.
Intervals that hold a line and another law as well decide nothing. (R2 is near one for all of them.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri, stdtrit

from experiments.report.stats import CONFIDENCE_FRACTION
from experiments.report.units import MINUS
from experiments.studies.fei.claims.judgement import Verdict, figure

EXPONENTS = np.round(np.arange(-4.0, 8.0001, 0.01), 2)
"""Where the exponent is looked for; an interval that reaches an end is open there."""
ROUNDING = 1e-12
"""Share of the variance below which two sums of squares are equal."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its interval."""

    value: float
    low: float
    high: float

    def holds(self, other: float) -> bool:
        return self.low <= other <= self.high

    def __str__(self) -> str:
        low = figure(self.low) if np.isfinite(self.low) else f"{MINUS}∞"
        high = figure(self.high) if np.isfinite(self.high) else "∞"
        return f"{figure(self.value)} [{low}, {high}]"


@dataclass(frozen=True, slots=True)
class Growth:
    """What the points say on the law of growth."""

    slope: Interval
    exponent: Interval
    curvature: Interval
    """Change of the slope per x, over the slope of the straight line."""
    excluded: dict[str, bool]
    """By law other than a line: whether exponent or curvature leaves it out."""

    @property
    def verdict(self) -> Verdict:
        if self.slope.high <= 0 or not self.exponent.holds(1.0) or not self.curvature.holds(0.0):
            return Verdict.NOT_MET
        if self.slope.low <= 0 or not all(self.excluded.values()):
            return Verdict.NOT_DECIDABLE
        return Verdict.MET

    @property
    def reason(self) -> str:
        """Why it is not met or cannot be decided; empty where it is met."""
        if self.slope.high <= 0:
            return "it falls"
        if self.verdict is Verdict.NOT_MET:
            bent = self.exponent.value - 1.0 if not self.exponent.holds(1.0) else self.curvature.value
            return f"it bends {'up' if bent > 0 else 'down'}: the intervals leave a straight line out"
        left = [name for name, out in self.excluded.items() if not out]
        if self.slope.low <= 0:
            left = ["none at all", *left]
        return f"the rows scatter too much to tell a line from {', '.join(left)} growth" if left else ""


def growth(x: Any, y: Any) -> Growth | None:
    """The law of ``y`` over ``x``; None with fewer than four points or three different x, or without any change."""
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(xs) < 4 or len(np.unique(xs)) < 3 or float(np.ptp(ys)) == 0.0:
        return None
    slope = _coefficient(np.column_stack([np.ones_like(xs), xs]), ys)
    bend = _coefficient(_quadratic(xs), ys)
    steep = abs(slope.value) or float("nan")
    curvature = Interval(*(2.0 * value / steep for value in (bend.value, bend.low, bend.high)))
    exponent = _exponent(xs, ys)
    laws = {
        "log": (0.0, np.log(xs)),
        "square": (2.0, xs**2),
        "exponential": (None, _exponential(xs, ys)),
    }
    excluded = {}
    for name, (power, shape) in laws.items():
        fitted = _fitted(np.column_stack([np.ones_like(xs), shape]), ys)
        bent = 2.0 * float(np.linalg.lstsq(_quadratic(xs), fitted, rcond=None)[0][2]) / steep
        excluded[name] = (power is not None and not exponent.holds(power)) or not curvature.holds(bent)
    return Growth(slope, exponent, curvature, excluded)


def _quadratic(xs: Floats) -> Floats:
    """Columns 1, x, (x - mean)^2: the last coefficient is that of x^2."""
    return np.column_stack([np.ones_like(xs), xs, (xs - xs.mean()) ** 2])


def _fitted(columns: Floats, ys: Floats) -> Floats:
    return np.asarray(columns @ np.linalg.lstsq(columns, ys, rcond=None)[0])


def _exponential(xs: Floats, ys: Floats) -> Floats:
    """exp(k x) with the rate at which the means by x grow from the first to the last; a line where they do not."""
    first, last = ys[xs == xs.min()].mean(), ys[xs == xs.max()].mean()
    rate = np.log(last / first) / float(np.ptp(xs)) if first > 0 and last > 0 else 0.0
    return np.exp(rate * (xs - xs.mean())) if abs(rate) > ROUNDING else xs


def _coefficient(columns: Floats, ys: Floats) -> Interval:
    """The last column's coefficient with Student's interval."""
    free = len(ys) - columns.shape[1]
    solution = np.linalg.lstsq(columns, ys, rcond=None)[0]
    rest = ys - columns @ solution
    variance = float(rest @ rest) / free * float(np.linalg.inv(columns.T @ columns)[-1, -1])
    half = float(stdtrit(free, 0.5 + CONFIDENCE_FRACTION / 2)) * variance**0.5
    value = float(solution[-1])
    slack = ROUNDING**0.5 * float(np.ptp(ys))  # a perfect fit has rounding errors, and no more
    return Interval(value, value - half - slack, value + half + slack)


def _exponent(xs: Floats, ys: Floats) -> Interval:
    """Profile of least squares over p."""
    free = len(ys) - 3
    left = _squares(xs, ys)
    best = float(left.min())
    # One variance ratio with (1, free) degrees of freedom.
    limit = best * (1.0 + float(fdtri(1, free, CONFIDENCE_FRACTION)) / free)
    limit += ROUNDING * float(((ys - ys.mean()) ** 2).sum())
    inside = EXPONENTS[left <= limit]
    low = -np.inf if inside[0] == EXPONENTS[0] else float(inside[0])
    high = np.inf if inside[-1] == EXPONENTS[-1] else float(inside[-1])
    return Interval(float(EXPONENTS[int(left.argmin())]), low, high)


def _squares(xs: Floats, ys: Floats) -> Floats:
    """(P,) least sum of squares at each of ``EXPONENTS``."""
    power = np.where(EXPONENTS == 0.0, 1.0, EXPONENTS)[:, None]
    shapes = np.where(EXPONENTS[:, None] == 0.0, np.log(xs), (xs**power - 1.0) / power)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
    rest = ys - ys.mean()
    return np.asarray(((rest - (shapes @ rest)[:, None] * shapes) ** 2).sum(axis=1))
