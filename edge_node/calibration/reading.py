"""What a calibration has read. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_node.meters.sampling.reading import Reading
from protos.messages.terms import MeterKind

MICRO, NS_PER_S = 1e6, 1_000_000_000


class CalibrationError(ValueError):
    """A board that cannot be calibrated so: names the figure, and says what to do."""


@dataclass(frozen=True, slots=True)
class Power:
    """Mean power of one step, with its 95 % interval."""

    step: str
    power_w: float
    half_width_w: float | None
    """None of an estimate: what it leaves out is not known."""
    duration_s: float
    rate_hz: float
    coverage_fraction: float
    flop_per_s: float | None = None
    """Counted operations of a task's work per second, one batch after the other; None where no task works."""
    flop_half_width: float | None = None
    """Half of the 95 % interval of ``flop_per_s``, from batch to batch."""
    busy_cores: float | None = None
    """CPU time of a task's work over its wall time: how many cores it kept busy. Below its threads it waited, for other
    programs on the board or for memory."""

    @property
    def text(self) -> str:
        width = "no interval: an estimate" if self.half_width_w is None else f"+- {self.half_width_w:.2g} W"
        speed = "" if self.flop_per_s is None else f", {self.flop_per_s:.4g} FLOP/s"
        if self.busy_cores is not None:
            speed += f" by wall time on {self.busy_cores:.3g} cores by CPU time"
        return (
            f"{self.step}: {self.power_w:.4g} W {width}{speed}, {self.duration_s:.3g} s at {self.rate_hz:.3g} samples "
            f"per second, {self.coverage_fraction:.1%} covered"
        )

    @property
    def low_w(self) -> float:
        return self.power_w - (self.half_width_w or 0.0)

    @property
    def high_w(self) -> float:
        return self.power_w + (self.half_width_w or 0.0)


def power_of(step: str, reading: Reading) -> Power:
    """Of a window of the sampler."""
    duration_s = reading.duration_ns / NS_PER_S
    known = reading.kind is not MeterKind.ESTIMATE
    return Power(
        step=step,
        power_w=reading.energy_uj / MICRO / duration_s,
        half_width_w=reading.half_width_uj / MICRO / duration_s if known else None,
        duration_s=duration_s,
        rate_hz=reading.rate_hz,
        coverage_fraction=reading.coverage_fraction,
    )


def apart(one: Power, other: Power) -> bool:
    """Whether ``one`` is above ``other`` by more than both intervals together."""
    return one.power_w - other.power_w > math.hypot(one.half_width_w or 0.0, other.half_width_w or 0.0)
