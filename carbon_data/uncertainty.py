"""How far reported grams may be off: Monte-Carlo draws with systematic meter gain, paired between runs
(section 4).

Pure: numpy and scipy only. Errors are relative. What is systematic (the gain of a meter, the bias of a
zone's intensity) is drawn once a meter or zone and adds linearly over everything it touches; what is random
is drawn per line and adds in quadrature. A reduction 1 - C1/C0 uses the *same* draws in both runs, since
the same meters were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from carbon_data.types import DataError, MissingDataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Relative standard deviations, fractions. Zero switches a source of error off."""

    gain_std_fraction: float
    """Gain of a meter: systematic over all it metered."""
    intensity_std_fraction: float = 0.0
    """Bias of a zone's intensity: systematic over all energy drawn there."""
    random_std_fraction: float = 0.0
    """Independent error of each line."""

    def __post_init__(self) -> None:
        for name in ("gain_std_fraction", "intensity_std_fraction", "random_std_fraction"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise DataError(f"{name} is {value}; allowed is 0 or more and below 1")


@dataclass(frozen=True)
class GramLines:
    """Emissions of one run, line by line: (L,) grams, with the meter and the zone each line came from."""

    grams: Floats
    meters: tuple[str, ...]
    zones: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.grams.ndim != 1 or not self.grams.size == len(self.meters) == len(self.zones):
            raise DataError(
                f"{self.grams.shape} grams, {len(self.meters)} meters and {len(self.zones)} zones; give "
                "one of each a line"
            )
        if not np.isfinite(self.grams).all() or (self.grams < 0).any():
            raise MissingDataError(
                "grams must be finite and >= 0; leave unmetered lines out and report them as gaps"
            )


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity with its spread: mean, standard deviation and a central interval."""

    mean: float
    std: float
    low: float
    high: float


def spread(samples: ArrayLike, level_fraction: float = 0.95) -> Spread:
    """Mean, standard deviation and the central interval that holds ``level_fraction`` of ``samples`` (K,)."""
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise DataError(f"need at least two finite samples in one dimension, got shape {values.shape}")
    if not 0.0 < level_fraction < 1.0:
        raise DataError(f"level_fraction is {level_fraction}; allowed is between 0 and 1")
    tail = (1.0 - level_fraction) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return Spread(mean=float(values.mean()), std=float(values.std()), low=float(low), high=float(high))


def monte_carlo_totals(
    runs: Sequence[GramLines], error: ErrorModel, *, draws: int = 10_000, seed: int = 0
) -> Floats:
    """(R, draws) totals in g of ``runs`` under common draws: row r, column k is run r in world k.

    Factors are log-normal with mean 1, so that no draw turns a gain negative. The random part is the normal
    limit of the sum of independent line errors.
    """
    if not runs or draws < 2:
        raise DataError(f"{len(runs)} runs and {draws} draws; allowed is at least one run and two draws")
    meters = sorted({meter for run in runs for meter in run.meters})
    zones = sorted({zone for run in runs for zone in run.zones})
    systematic, *per_run = np.random.default_rng(seed).spawn(1 + len(runs))
    gain = _factors(systematic, error.gain_std_fraction, (len(meters), draws))
    intensity = _factors(systematic, error.intensity_std_fraction, (len(zones), draws))
    totals = np.empty((len(runs), draws))
    for row, (run, random) in enumerate(zip(runs, per_run, strict=True)):
        grams = np.zeros((len(meters), len(zones)))
        np.add.at(
            grams, ([meters.index(m) for m in run.meters], [zones.index(z) for z in run.zones]), run.grams
        )
        totals[row] = np.einsum("mz,mk,zk->k", grams, gain, intensity)
        noise = error.random_std_fraction * float(np.sqrt(np.sum(run.grams**2)))
        totals[row] += noise * random.standard_normal(draws)
    return totals


def reduction(
    baseline: GramLines, candidate: GramLines, error: ErrorModel, *, draws: int = 10_000, seed: int = 0
) -> Spread:
    """Spread of 1 - C1/C0 from paired draws; a gain that both runs share cancels, as it does in reality."""
    before, after = monte_carlo_totals([baseline, candidate], error, draws=draws, seed=seed)
    if (before <= 0).any():
        raise DataError("the baseline emits nothing in some draws; a reduction against it is not defined")
    return spread(1.0 - after / before)


def paired_reduction(
    baseline_g: ArrayLike, candidate_g: ArrayLike, *, level_fraction: float = 0.95
) -> Spread:
    """Spread of 1 - C1/C0 over paired seeds, (S,) totals each: Student's t interval of the mean."""
    from scipy import stats  # scipy.stats takes long to import and few commands need it

    before = np.asarray(baseline_g, dtype=np.float64)
    after = np.asarray(candidate_g, dtype=np.float64)
    if before.ndim != 1 or before.shape != after.shape or before.size < 2:
        raise DataError(
            f"got {before.shape} and {after.shape} totals; give the same seeds, at least two, for both"
        )
    if not (np.isfinite(before).all() and np.isfinite(after).all()) or (before <= 0).any():
        raise DataError("totals must be finite, and those of the baseline positive")
    values = 1.0 - after / before
    std = float(values.std(ddof=1))
    half = float(stats.t.ppf(0.5 + level_fraction / 2.0, values.size - 1)) * std / float(np.sqrt(values.size))
    mean = float(values.mean())
    return Spread(mean=mean, std=std, low=mean - half, high=mean + half)


def _factors(random: np.random.Generator, std_fraction: float, shape: tuple[int, int]) -> Floats:
    """Log-normal factors with mean 1 and relative standard deviation ``std_fraction``."""
    sigma = float(np.sqrt(np.log1p(std_fraction**2)))
    return np.exp(sigma * random.standard_normal(shape) - sigma**2 / 2.0)
