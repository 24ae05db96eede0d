"""One window's energy with what is known of its quality. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from protos.messages.slot import Metered
from protos.messages.terms import MeterKind

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """Energy of a window."""

    kind: MeterKind
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
    bias_uj: int = 0
    """Part of ``half_width_uj``, squares added, that is the same in every window: of a power the sensor's step. The
    errors of a counter's edges are not: what one window lacks is in the next."""

    @property
    def low_uj(self) -> int:
        return max(0, self.energy_uj - self.half_width_uj)

    @property
    def high_uj(self) -> int:
        return self.energy_uj + self.half_width_uj

    @property
    def metered(self) -> Metered:
        """As the node reports it. An estimate has no interval: its samples do not tell what it leaves out."""
        known = self.kind is not MeterKind.ESTIMATE
        return Metered(
            kind=self.kind,
            energy_uj=self.energy_uj,
            half_width_uj=self.half_width_uj if known else None,
            bias_uj=self.bias_uj if known else None,
            rate_hz=self.rate_hz,
            coverage_fraction=self.coverage_fraction,
            gaps=self.gaps,
            window_s=self.duration_ns / NS_PER_S,
        )
