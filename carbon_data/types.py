"""Types of readings: interval, zone, average or marginal, direct or life-cycle, and origin.

Pure: standard library and numpy only. Intervals are left-closed, named by their start, aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Signal(StrEnum):
    """Average intensity is for inventory, marginal for the effect of shifting load; never mix the two."""

    AVERAGE = "average"
    MARGINAL = "marginal"


class Scope(StrEnum):
    """Direct: from the stack. Life-cycle: with building plant and fuel supply."""

    DIRECT = "direct"
    LIFE_CYCLE = "life-cycle"


class Provenance(StrEnum):
    """Provenance of a figure. MISSING is never zero."""

    MEASURED = "measured"
    MODELLED = "modelled"
    REPLAYED = "replayed"
    MISSING = "missing"


class DataError(ValueError):
    """Unusable data; the message has the value, what is allowed, and what to do next."""


class UnknownZoneError(DataError):
    """A zone for which a source has no data."""


class MissingDataError(DataError):
    """A gap or a stale value where a value was requested."""


def require_utc(moment: datetime, name: str = "start") -> datetime:
    """``moment`` in UTC; a naive time is refused, because its zone would be a guess."""
    if moment.tzinfo is None:
        raise DataError(
            f"{name} is {moment.isoformat()} without a time zone; give an aware time, e.g. ...T00:00Z"
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise DataError(
            f"{name} is {moment.isoformat()}, which in UTC is beyond the calendar; give a time from year 1 to 9999"
        ) from None


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of figures, passed from the file or service to the report."""

    source: str
    licence: str
    signal: Signal | None = None
    scope: Scope | None = None
    provenance: Provenance = Provenance.REPLAYED
    sha256: str | None = None
    url: str | None = None
    notes: tuple[str, ...] = ()
    """Corrections of the data on loading (gaps, repairs): always shown in the report."""
    stand_in: str | None = None
    """A sentence where these figures are of another period than requested: runs print it as a warning."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """Carbon intensity of grid energy in one zone over one interval, g CO2e per kWh."""

    zone: str
    start: datetime
    interval: timedelta
    intensity_g_per_kwh: float
    signal: Signal
    scope: Scope
    provenance: Provenance


HIGHEST_INTENSITY_G_PER_KWH = 2000.0
"""No grid's average is above this ([C]: lignite alone, life-cycle, is at about 1,200; the dirtiest hour of 123 zones
in 2022 at 1,119): the column is of another unit."""


@dataclass(frozen=True, slots=True)
class IntensitySeries:
    """Intensity of one zone over ``values.size`` intervals of ``step`` from ``start``."""

    zone: str
    start: datetime
    step: timedelta
    intensity_g_per_kwh: NDArray[np.float64]
    origin: Origin

    def __post_init__(self) -> None:
        require_utc(self.start)
        values = self.intensity_g_per_kwh
        if values.ndim != 1 or values.size == 0:
            raise DataError(f"zone {self.zone}: need a one-dimensional series, got shape {values.shape}")
        bad = ~np.isfinite(values) | (values < 0)
        if bad.any():
            first = int(np.argmax(bad))
            raise MissingDataError(
                f"zone {self.zone}: intensity {values[first]} g/kWh at {self.start + first * self.step}; "
                "finite values >= 0 are allowed; choose another period, or repair the file and say how "
                "in its sidecar"
            )
        if self.origin.signal is not Signal.MARGINAL and values.max() > HIGHEST_INTENSITY_G_PER_KWH:
            first = int(np.argmax(values > HIGHEST_INTENSITY_G_PER_KWH))
            raise DataError(
                f"zone {self.zone}: {values[first]:g} g/kWh at {self.start + first * self.step}; no grid is above "
                f"{HIGHEST_INTENSITY_G_PER_KWH:g}: the column may be another quantity (e.g. MW), or in another unit "
                "(give value_unit)"
            )
        values.setflags(write=False)

    def at(self, index: int) -> Intensity:
        """Interval ``index`` as a reading."""
        assert self.origin.signal is not None
        assert self.origin.scope is not None
        return Intensity(
            zone=self.zone,
            start=self.start + index * self.step,
            interval=self.step,
            intensity_g_per_kwh=float(self.intensity_g_per_kwh[index]),
            signal=self.origin.signal,
            scope=self.origin.scope,
            provenance=self.origin.provenance,
        )


@dataclass(frozen=True, slots=True)
class HarvestSeries:
    """Mean harvested power over ``power_w.size`` intervals of ``step`` from ``start``."""

    start: datetime
    step: timedelta
    power_w: NDArray[np.float64]
    origin: Origin

    def __post_init__(self) -> None:
        require_utc(self.start)
        if self.power_w.ndim != 1 or self.power_w.size == 0:
            raise DataError(f"harvest: need a one-dimensional series, got shape {self.power_w.shape}")
        bad = ~np.isfinite(self.power_w) | (self.power_w < 0)
        if bad.any():
            first = int(np.argmax(bad))
            raise MissingDataError(
                f"harvest power {self.power_w[first]} W at {self.start + first * self.step}; finite "
                "values >= 0 are allowed; choose another period or another harvest source"
            )
        self.power_w.setflags(write=False)
