"""One window's energy with what is known of its quality. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from carbon_data.types import Provenance


class Kind(StrEnum):
    """How the joules came about."""

    COUNTER = "counter"
    """Difference of a sensor's own cumulative energy."""
    POWER = "power"
    """Integral of power samples."""
    ESTIMATE = "estimate"
    """Integral of samples that leave out a part of the board."""

    @property
    def provenance(self) -> Provenance:
        """What is booked for it: an estimate is not measured."""
        return Provenance.MODELLED if self is Kind.ESTIMATE else Provenance.MEASURED


@dataclass(frozen=True, slots=True)
class Reading:
    """Energy of a window."""

    kind: Kind
    energy_uj: int
    half_width_uj: int
    """Half of the 95 % interval: from rate and spread of the samples, and the sensor's resolution. The sensor's own
    calibration is not in it (docs/uncertainty.md)."""
    rate_hz: float
    """Samples per second really taken."""
    coverage_fraction: float
    """Share of the window without gaps."""
    gaps: int
    duration_ns: int

    @property
    def low_uj(self) -> int:
        return max(0, self.energy_uj - self.half_width_uj)

    @property
    def high_uj(self) -> int:
        return self.energy_uj + self.half_width_uj
