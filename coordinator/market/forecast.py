"""Forecasts of grid intensity and harvest (methods.md section 1, information regimes). Pure; every error is
seeded.

A forecast made in slot ``now`` of a series (N, L) gives (N, slots): column 0 is the slot itself, which is
known, the others are expected. Values before the run (a lead-in) are simply earlier columns of the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from coordinator.market.fleet import Floats

PERSISTENCE_SPREAD = 0.3
"""Root mean square error of a day's harvest expected as that of the day before, as a share of the mean: median of 17
roof-top panels over a year (CityLearn challenge 2022, phase "all"; 0.29 to 0.34 by hour of the forecast). The solar
output of seven areas in EIA-930, 2022, gives 0.13 to 0.34."""


class Forecast(Protocol):
    """Expects the coming slots of a series."""

    def __call__(self, series: Floats, now: int, slots: int) -> Floats:
        """(N, slots) from ``series`` (N, L), of which forecasts without foresight read columns up to ``now`` only."""
        ...


@dataclass(frozen=True, slots=True)
class Perfect:
    """The series itself: perfect foresight."""

    spread_fraction: ClassVar[float] = 0.0

    def __call__(self, series: Floats, now: int, slots: int) -> Floats:
        return _ahead(series, now, slots)


@dataclass(frozen=True, slots=True)
class Persistence:
    """Tomorrow is like today: the value one period before, as often as needed to reach what is known."""

    period: int = 24
    """Slots in a day."""
    spread_fraction: float = PERSISTENCE_SPREAD

    def __post_init__(self) -> None:
        if self.period < 1:
            raise ValueError(f"period is {self.period}; allowed is 1 or more slots")

    def __call__(self, series: Floats, now: int, slots: int) -> Floats:
        """Where less than a period is known, the oldest known day is shorter: the last value stands in."""
        ahead = np.arange(slots)
        index = now + ahead - self.period * np.ceil(ahead / self.period).astype(int)
        return series[:, np.where(index < 0, now, index)]


@dataclass(frozen=True, slots=True)
class ClearSky:
    """Clear-sky value times the last clearness index: harvest over clear-sky harvest when the sun last
    shone."""

    clear: Floats
    """(N, L) clear-sky harvest on the same slots as the series; astronomy, so its future is known."""
    unknown_index: float = 0.7
    """Clearness index before the sun has shone at all (a middling sky; choice)."""
    spread_fraction: float = PERSISTENCE_SPREAD

    def __call__(self, series: Floats, now: int, slots: int) -> Floats:
        if self.clear.shape != series.shape:
            raise ValueError(
                f"clear sky has shape {self.clear.shape}, the series {series.shape}; they must agree"
            )
        n = len(series)
        shone = self.clear[:, : now + 1] > 0.05 * self.clear.max(axis=1, keepdims=True)
        last = now - np.argmax(shone[:, ::-1], axis=1)
        seen = shone.any(axis=1)
        at_last = self.clear[np.arange(n), last]
        ratio = np.divide(series[np.arange(n), last], at_last, out=np.full(n, self.unknown_index), where=seen)
        expected = ratio[:, None] * _ahead(self.clear, now, slots)
        expected[:, 0] = series[:, now]
        return expected


@dataclass(frozen=True, slots=True)
class GaussianError:
    """The truth with additive Gaussian errors of ``fraction`` of each row's mean; never below zero.

    The error depends on the seed, the slot it is made in and the slot it is for; 0.05 and 0.10 are
    methods.md's."""

    fraction: float
    seed: int
    spread_fraction: ClassVar[float] = 0.0
    """Errors of single slots are independent: those of a day almost cancel out."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.fraction) and self.fraction >= 0):
            raise ValueError(f"forecast error fraction is {self.fraction}; allowed is 0 or more")

    def __call__(self, series: Floats, now: int, slots: int) -> Floats:
        truth = _ahead(series, now, slots)
        rng = np.random.default_rng([self.seed, now])
        noise = rng.standard_normal(truth.shape) * self.fraction * series.mean(axis=1, keepdims=True)
        noise[:, 0] = 0.0
        return np.maximum(truth + noise, 0.0)


FORECASTS = ("perfect", "persistence", "gaussian")
"""Names for ``make_forecast``; ClearSky needs a series of its own and is built directly."""


def make_forecast(name: str, *, error_fraction: float = 0.0, seed: int = 0, period: int = 24) -> Forecast:
    """A forecast by name, for command lines and scenarios."""
    if name == "perfect":
        return Perfect()
    if name == "persistence":
        return Persistence(period)
    if name == "gaussian":
        return GaussianError(error_fraction, seed)
    raise ValueError(f"no forecast is called {name!r}; allowed are {', '.join(FORECASTS)}")


def _ahead(series: Floats, now: int, slots: int) -> Floats:
    if now + slots > series.shape[1]:
        raise ValueError(
            f"{slots} slots from slot {now} on asked of a series of {series.shape[1]}; give a longer series "
            "or look less far ahead"
        )
    return series[:, now : now + slots].copy()
