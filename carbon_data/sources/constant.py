"""Constant power and constant intensity: for tests, teaching, and sites without a trace."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from carbon_data.sources.names import unknown_zone
from carbon_data.sources.resample import check_request
from carbon_data.types import (
    DataError,
    HarvestSeries,
    IntensitySeries,
    Origin,
    Provenance,
    Scope,
    Signal,
)


class ConstantHarvest:
    """The same power at all times, W; 0 for a node without harvest."""

    def __init__(self, power_w: float = 0.0) -> None:
        if not (math.isfinite(power_w) and power_w >= 0):
            raise DataError(f"power_w is {power_w}; allowed is a finite value >= 0")
        self._power_w = float(power_w)

    def series(self, start: datetime, step: timedelta, count: int, seed: int) -> HarvestSeries:
        """``count`` times the constant; ``seed`` has no effect, since nothing is drawn."""
        begin = check_request(start, step, count)
        origin = Origin(
            source=f"constant {self._power_w:g} W", licence="none needed", provenance=Provenance.MODELLED
        )
        return HarvestSeries(start=begin, step=step, power_w=np.full(count, self._power_w), origin=origin)


class ConstantIntensity:
    """The same intensity at all times, g CO2e per kWh by zone, as the scenario states it."""

    def __init__(
        self,
        intensity_g_per_kwh: Mapping[str, float],
        *,
        signal: str = Signal.AVERAGE,
        scope: str = Scope.LIFE_CYCLE,
        source: str = "stated in the scenario",
    ) -> None:
        if not intensity_g_per_kwh:
            raise DataError("intensity_g_per_kwh names no zone; give at least one, e.g. { DE = 400 }")
        for zone, value in intensity_g_per_kwh.items():
            if not (math.isfinite(value) and value >= 0):
                raise DataError(f"zone {zone}: intensity {value}; allowed is a finite value >= 0")
        self._values = dict(intensity_g_per_kwh)
        self._origin = Origin(
            source=source,
            licence="none needed",
            signal=Signal(signal),
            scope=Scope(scope),
            provenance=Provenance.MODELLED,
            notes=("constant over time",),
        )

    def zones(self) -> Sequence[str]:
        """Zones with a value, sorted."""
        return sorted(self._values)

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """``count`` times the zone's value. Raises UnknownZoneError."""
        if zone not in self._values:
            raise unknown_zone(zone, self._values, "the constant intensities")
        begin = check_request(start, step, count)
        values = np.full(count, float(self._values[zone]))
        return IntensitySeries(
            zone=zone, start=begin, step=step, intensity_g_per_kwh=values, origin=self._origin
        )
