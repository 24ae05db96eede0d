"""Energy of a window."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Joules:
    """Of a window."""

    energy_j: float
    half_width_j: float | None
    """Half of the 95 % interval by the sensor's samples; None: it has none."""
    duration_s: float
