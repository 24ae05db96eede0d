"""Mean, spread and paired reductions over seeds.

A reduction is computed seed by seed against the same seed's baseline and then averaged, so that the
weather and the
data split, which both runs of a pair share, cancel. Interval: Student's t over the paired seeds, 95 %. One
seed has
no spread, and none is made up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

CONFIDENCE_FRACTION = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """Mean over seeds; ``sd`` (n - 1 in the denominator), ``low`` and ``high`` are None with a single
    seed."""

    values: tuple[float, ...]
    mean: float
    sd: float | None
    low: float | None
    high: float | None

    @property
    def n(self) -> int:
        return len(self.values)


def estimate(values: Sequence[float], confidence_fraction: float = CONFIDENCE_FRACTION) -> Estimate:
    """Mean, standard deviation and t confidence interval of the mean. Raises ValueError on no or
    non-finite values."""
    numbers = tuple(float(value) for value in values)
    if not numbers:
        raise ValueError("an estimate needs at least one value, got none")
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError(f"an estimate needs finite values, got {numbers}")
    n = len(numbers)
    mean = math.fsum(numbers) / n
    if n == 1:
        return Estimate(numbers, mean, None, None, None)
    sd = math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / (n - 1))
    half = float(stdtrit(n - 1, 0.5 + confidence_fraction / 2)) * sd / math.sqrt(n)
    return Estimate(numbers, mean, sd, mean - half, mean + half)


def paired_reductions(policy_g: Mapping[int, float], baseline_g: Mapping[int, float]) -> dict[int, float]:
    """1 - C_policy / C_baseline for every seed both have; a seed whose baseline emitted nothing has no
    reduction."""
    common = sorted(policy_g.keys() & baseline_g.keys())
    return {seed: 1.0 - policy_g[seed] / baseline_g[seed] for seed in common if baseline_g[seed] > 0}


def paired_reduction(policy_g: Mapping[int, float], baseline_g: Mapping[int, float]) -> Estimate | None:
    """Mean paired reduction, as a fraction, with its interval; None when no seed is in common."""
    reductions = paired_reductions(policy_g, baseline_g)
    return estimate(list(reductions.values())) if reductions else None
