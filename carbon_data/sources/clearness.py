"""A seeded process for clouds: the clear-sky index, hour by hour, the same for any window of the same seed.

Latent z(h) = sqrt(share) * D(day) + sqrt(1 - share) * H(hour), D and H stationary AR(1) processes with unit
variance; the index is a Beta quantile of Phi(z), scaled to floor..1. Sources of the parameters:
- 0.29 from day to day: lag-one autocorrelation of the daily index, Graham, Hollands and Huget, Solar Energy
  40 (1988);
- 0.54 from hour to hour: 0.54 +- 0.14 within a day, and the Beta shape: Graham and Hollands, Solar Energy
  44 (1990) 333-341;
- mean 0.72, standard deviation 0.24, floor 0.08, equal shares of day and hour: [C], a temperate climate;
  set them for a site.

Both processes are written as moving averages of per-day seeded noise, cut off where a weight falls below
1e-12, so that hour h depends on the seed and h alone, and series of different start agree where they
overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carbon_data.types import DataError

DAILY_AUTOCORRELATION = 0.29
HOURLY_AUTOCORRELATION = 0.54
DAY_SHARE = 0.5
_CUT = 1e-12
_DAY_OFFSET = 1_000_000
"""Added to day numbers, which count from 1970, so that a seed never sees a negative one (back to the year
-768).
"""


@dataclass(frozen=True, slots=True)
class Clearness:
    """Marginal distribution of the clear-sky index (fractions): mean, standard deviation, smallest value."""

    mean_fraction: float = 0.72
    std_fraction: float = 0.24
    floor_fraction: float = 0.08

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor_fraction < self.mean_fraction <= 1.0:
            raise DataError(
                f"clearness mean {self.mean_fraction} and floor {self.floor_fraction}; allowed is 0 <= "
                "floor < mean <= 1"
            )
        limit = math.sqrt((self.mean_fraction - self.floor_fraction) * (1.0 - self.mean_fraction))
        if not 0.0 <= self.std_fraction <= 0.95 * limit:
            raise DataError(
                f"clearness std_fraction is {self.std_fraction}; with mean {self.mean_fraction} and floor "
                f"{self.floor_fraction} allowed is 0..{0.95 * limit:.3f}"
            )

    def index(self, first_hour: int, hours: int, seed: int) -> NDArray[np.float64]:
        """(hours,) clear-sky index from ``first_hour``, hours since 1970 in the site's solar time."""
        if self.std_fraction == 0.0:
            return np.full(hours, self.mean_fraction)
        from scipy import special

        latent = _latent(first_hour, hours, seed)
        width = 1.0 - self.floor_fraction
        mean, variance = (self.mean_fraction - self.floor_fraction) / width, (self.std_fraction / width) ** 2
        total = mean * (1.0 - mean) / variance - 1.0
        beta = special.betaincinv(mean * total, (1.0 - mean) * total, special.ndtr(latent))
        return self.floor_fraction + width * beta


def _latent(first_hour: int, hours: int, seed: int) -> NDArray[np.float64]:
    """(hours,) standard normal latent variable."""
    if seed < 0:
        raise DataError(f"seed is {seed}; allowed is 0 or more")
    day_weights, hour_weights = _weights(DAILY_AUTOCORRELATION), _weights(HOURLY_AUTOCORRELATION)
    hour_back = hour_weights.size - 1
    first_day, last_day = first_hour // 24, (first_hour + hours - 1) // 24
    noise_from = min(first_day - (day_weights.size - 1), (first_hour - hour_back) // 24)
    noise = np.stack([_day_noise(seed, day) for day in range(noise_from, last_day + 1)])
    day_noise, hour_noise = noise[:, 24], noise[:, :24].ravel()
    day_count = last_day - first_day + 1
    day_process = _moving_average(day_noise, day_weights, first_day - noise_from, day_count)
    hour_process = _moving_average(hour_noise, hour_weights, first_hour - 24 * noise_from, hours)
    days = (first_hour + np.arange(hours)) // 24 - first_day
    return math.sqrt(DAY_SHARE) * day_process[days] + math.sqrt(1.0 - DAY_SHARE) * hour_process


def _day_noise(seed: int, day: int) -> NDArray[np.float64]:
    """(25,) noise of one day: 24 hours, then the day itself."""
    return np.random.default_rng([seed, day + _DAY_OFFSET]).standard_normal(25)


def _weights(autocorrelation: float) -> NDArray[np.float64]:
    """Weights of an AR(1) as a moving average: sqrt(1 - r^2) r^k."""
    length = math.ceil(math.log(_CUT) / math.log(autocorrelation))
    weights: NDArray[np.float64] = math.sqrt(1.0 - autocorrelation**2) * np.power(
        autocorrelation, np.arange(length)
    )
    return weights


def _moving_average(
    noise: NDArray[np.float64], weights: NDArray[np.float64], first: int, count: int
) -> NDArray[np.float64]:
    """Sum in a fixed order, so that the last bit does not depend on where a window starts."""
    total = np.zeros(count)
    for lag in range(weights.size - 1, -1, -1):
        total += weights[lag] * noise[first - lag : first - lag + count]
    return total
