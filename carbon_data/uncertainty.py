"""Uncertainty of reported grams: Monte-Carlo draws with systematic meter gain, paired between runs (section 4).

Pure: numpy and scipy only. Errors are relative. Systematic errors (the gain of a meter, a factor per byte, the
bias of a zone's intensity) are drawn once per meter or zone and add linearly over all their lines. Random errors are
drawn per line and add in quadrature. A reduction 1 - C1/C0 uses the *same* draws in both runs, because the same
meters were read. A meter or zone has the same draws in every call with the same seed, independently of the other
meters and zones of the call: draw k is one world for all runs of a comparison.

Draws rescale booked lines. Decisions that were made with the booked figures do not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from carbon_data.types import DataError, MissingDataError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """Relative standard deviations, fractions. Zero: no error from this source."""

    gain_std_fraction: float
    """Gain of a meter: systematic over all it metered."""
    intensity_std_fraction: float = 0.0
    """Bias of a zone's intensity: systematic over all energy drawn there."""
    random_std_fraction: float = 0.0
    """Independent error of each line."""
    meter_std_fraction: Mapping[str, float] = field(default_factory=dict)
    """Of meters whose gain has a deviation of its own."""
    meter_range: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of meters whose gain is log-uniform instead: its ends, over the booked figure (1: as booked)."""

    def __post_init__(self) -> None:
        named = {
            name: getattr(self, name)
            for name in ("gain_std_fraction", "intensity_std_fraction", "random_std_fraction")
        }
        for name, value in {**named, **self.meter_std_fraction}.items():
            if not 0.0 <= value < 1.0:
                raise DataError(f"{name} is {value}; allowed is 0 or more and below 1")
        for name, (low, high) in self.meter_range.items():
            if not (0.0 < low <= high and np.isfinite(high)):
                raise DataError(f"the range of {name} is {low} to {high}; allowed is 0 < low <= high")

    def gain_ends(self, meter: str, level_fraction: float = 0.95) -> tuple[float, float]:
        """Low and high gain of ``meter``: the ends of its range, or the central interval of its deviation."""
        if meter in self.meter_range:
            return self.meter_range[meter]
        sigma, shift = _log_normal(self.gain_std(meter))
        half = NormalDist().inv_cdf(0.5 + level_fraction / 2.0) * sigma
        return float(np.exp(shift - half)), float(np.exp(shift + half))

    def gain_std(self, meter: str) -> float:
        """Relative standard deviation of a meter that has no range."""
        return self.meter_std_fraction.get(meter, self.gain_std_fraction)


@dataclass(frozen=True)
class GramLines:
    """Emissions of one run, line by line: (L,) grams, with the meter and the zone each line came from."""

    grams: Floats
    meters: tuple[str, ...]
    zones: tuple[str, ...]
    noise_std_g: float = 0.0
    """Standard deviation of their sum from the sampling of meters: of this run alone, beside the gains."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.noise_std_g) and self.noise_std_g >= 0):
            raise DataError(f"noise_std_g is {self.noise_std_g}; allowed is a finite number >= 0")
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

    Gains are log-normal with mean 1, so that no draw turns one negative, or log-uniform between the ends of the
    meter's range. The random part is the normal limit of the sum of independent line errors.
    """
    if not runs or draws < 2:
        raise DataError(f"{len(runs)} runs and {draws} draws; allowed is at least one run and two draws")
    meters = sorted({meter for run in runs for meter in run.meters})
    zones = sorted({zone for run in runs for zone in run.zones})
    gain = np.array([_gain(error, meter, _random(seed, "meter", meter), draws) for meter in meters])
    intensity = np.array(
        [_factors(_random(seed, "zone", zone), error.intensity_std_fraction, draws) for zone in zones]
    )
    totals = np.empty((len(runs), draws))
    for row, run in enumerate(runs):
        grams = np.zeros((len(meters), len(zones)))
        np.add.at(
            grams, ([meters.index(m) for m in run.meters], [zones.index(z) for z in run.zones]), run.grams
        )
        totals[row] = np.einsum("mz,mk,zk->k", grams, gain, intensity)
        noise = float(np.hypot(error.random_std_fraction * np.sqrt(np.sum(run.grams**2)), run.noise_std_g))
        totals[row] += noise * _random(seed, "run", str(row)).standard_normal(draws)
    return totals


def reduction(
    baseline: GramLines, candidate: GramLines, error: ErrorModel, *, draws: int = 10_000, seed: int = 0
) -> Spread:
    """Spread of 1 - C1/C0 from paired draws; a gain that both runs share cancels, as it does in measurements."""
    before, after = monte_carlo_totals([baseline, candidate], error, draws=draws, seed=seed)
    if (before <= 0).any():
        raise DataError("the baseline emits nothing in some draws; a reduction against it is not defined")
    return spread(1.0 - after / before)


def paired_reduction(
    baseline_g: ArrayLike, candidate_g: ArrayLike, *, level_fraction: float = 0.95
) -> Spread:
    """Spread of 1 - C1/C0 over paired seeds, (S,) totals each: Student's t interval of the mean, at most 1."""
    values = _paired_values(baseline_g, candidate_g)
    std = float(values.std(ddof=1))
    half = float(stdtrit(values.size - 1, 0.5 + level_fraction / 2.0)) * std / float(np.sqrt(values.size))
    mean = float(values.mean())
    return Spread(mean=mean, std=std, low=mean - half, high=min(1.0, mean + half))


def reduction_of_seeds(
    baseline_g: ArrayLike, candidate_g: ArrayLike, *, level_fraction: float = 0.95, seed: int = 0
) -> Spread:
    """Spread of the mean of 1 - C1/C0 over seeds, from (S, K) totals under common draws: errors of readings and of
    the mean over few seeds together.

    In draw k the mean over the seeds is that of world k, moved by Student's t with S - 1 degrees times its standard
    error there. With one seed only the errors of readings are left. No reduction is above 1.
    """
    values = _paired_values(baseline_g, candidate_g)
    worlds = values.mean(axis=0)
    seeds, draws = values.shape
    if seeds == 1:
        return spread(worlds, level_fraction)
    error = values.std(axis=0, ddof=1) / np.sqrt(seeds)
    moved = worlds + error * _random(seed, "seeds", "mean").standard_t(seeds - 1, draws)
    found = spread(np.minimum(moved, 1.0), level_fraction)
    # Student's t with few degrees has no variance, hence no mean of the draws: those of the worlds and the seeds.
    std = float(np.sqrt(worlds.var() + np.mean(error**2)))
    return Spread(mean=float(worlds.mean()), std=std, low=found.low, high=found.high)


def _paired_values(baseline_g: ArrayLike, candidate_g: ArrayLike) -> Floats:
    """1 - C1/C0, seeds first."""
    before = np.asarray(baseline_g, dtype=np.float64)
    after = np.asarray(candidate_g, dtype=np.float64)
    if before.shape != after.shape or before.ndim not in (1, 2) or (before.ndim == 1 and before.size < 2):
        raise DataError(
            f"got {before.shape} and {after.shape} totals; give the same seeds, at least two, for both"
        )
    if not (np.isfinite(before).all() and np.isfinite(after).all()) or (before <= 0).any():
        raise DataError("totals must be finite, and those of the baseline positive")
    return 1.0 - after / before


def _random(seed: int, kind: str, name: str) -> np.random.Generator:
    """A separate random stream for each drawn quantity."""
    return np.random.default_rng([seed, crc32(kind.encode()), crc32(name.encode())])


def _gain(error: ErrorModel, meter: str, random: np.random.Generator, draws: int) -> Floats:
    if meter in error.meter_range:
        low, high = np.log(error.meter_range[meter])
        return np.exp(low + (high - low) * random.random(draws))
    return _factors(random, error.gain_std(meter), draws)


def _factors(random: np.random.Generator, std_fraction: float, draws: int) -> Floats:
    """Log-normal factors with mean 1 and relative standard deviation ``std_fraction``."""
    sigma, shift = _log_normal(std_fraction)
    return np.exp(sigma * random.standard_normal(draws) + shift)


def _log_normal(std_fraction: float) -> tuple[float, float]:
    """(sigma, mu) of the logarithm of a factor with mean 1."""
    sigma = float(np.sqrt(np.log1p(std_fraction**2)))
    return sigma, -(sigma**2) / 2.0
