"""What a board's meter can have read: readings outside are refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.config import BoardConfig
from edge_node.meters.sampling.reading import Reading

MICRO = 1_000_000
TIMES = 20.0
"""A mean power this many times the board's busy power, or below its sleeping power by as much, is refused: profiles
are of another board at times, but not by that much, and a wrong unit is wrong by a thousand."""
DOUBT = ", which this board does not draw: is the sensor's unit right, and the board's profile that of this board?"
PANEL_DOUBT = (
    ", which no such panel gives: is the sensor's unit right, and the scenario's panel that of this node?"
)
MIN_COVERAGE = 0.9
"""A window of which less is covered by samples is missing."""


@dataclass(frozen=True, slots=True)
class Limits:
    low_uw: int
    high_uw: int
    doubt: str = DOUBT

    def refuse_power(self, power_uw: int) -> str:
        """Why a sample is refused; empty where it may be true. A short dip to zero may be."""
        if power_uw < 0:
            return f"{power_uw / MICRO:.6g} W is negative: is the sensor wired in reverse?"
        if power_uw > self.high_uw:
            return f"{power_uw / MICRO:.6g} W is more than {self.high_uw / MICRO:.6g} W{self.doubt}"
        return ""

    def refuse(self, reading: Reading) -> str:
        """Why a window's reading is refused; empty where it may be true."""
        if reading.coverage_fraction < MIN_COVERAGE:
            return (
                f"{reading.gaps} gaps: {reading.coverage_fraction:.0%} of the window is covered, at least "
                f"{MIN_COVERAGE:.0%} is needed"
            )
        mean_uw = reading.energy_uj * 1_000_000_000 // reading.duration_ns
        if mean_uw < self.low_uw:
            return f"a mean of {mean_uw / MICRO:.6g} W is less than {self.low_uw / MICRO:.6g} W{self.doubt}"
        return self.refuse_power(mean_uw)


def limits_of(board: BoardConfig) -> Limits:
    """From the powers of a board's profile."""
    low_w = min(power for power in (board.sleep_w or board.static_w, board.static_w, board.busy_w))
    return Limits(low_uw=max(1, round(low_w * MICRO / TIMES)), high_uw=round(board.busy_w * MICRO * TIMES))


def limits_of_panel(peak_w: float) -> Limits:
    """From the highest power of a node's harvest series: at night a panel gives nothing."""
    return Limits(low_uw=0, high_uw=max(1, round(peak_w * MICRO * TIMES)), doubt=PANEL_DOUBT)
