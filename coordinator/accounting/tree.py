"""TREE and EE from booked figures: (T1) of methods.md section 5, over a window in bits, tokens and joules.

TREE: token-responsive energy efficiency of the TREE paper; EE: its token-free part. Both in bit/J.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """What was delivered in a window (a run, a node, a stage or a slot), and the energy it took."""

    bits: int
    tokens: int
    energy_j: float

    def __post_init__(self) -> None:
        if self.bits < 0 or self.tokens < 0 or not self.energy_j >= 0:
            raise ValueError(f"{self}: allowed are values >= 0")

    def __add__(self, other: Window) -> Window:
        return Window(self.bits + other.bits, self.tokens + other.tokens, self.energy_j + other.energy_j)


@dataclass(frozen=True, slots=True)
class Efficiency:
    """(T1) of one window; None where no energy was used, since a ratio to nothing is not zero."""

    tree_bit_per_j: float | None
    ee_bit_per_j: float | None


def efficiency(window: Window, alpha_bits_per_token: float) -> Efficiency:
    """(T1): eta_TREE = (bits + alpha tokens) / energy, and EE = bits / energy, in bit/J."""
    if not alpha_bits_per_token >= 0:
        raise ValueError(f"alpha is {alpha_bits_per_token} bit/token; allowed is >= 0")
    if window.energy_j == 0:
        return Efficiency(None, None)
    return Efficiency(
        tree_bit_per_j=(window.bits + alpha_bits_per_token * window.tokens) / window.energy_j,
        ee_bit_per_j=window.bits / window.energy_j,
    )


def total(windows: Iterable[Window]) -> Window:
    """Sum of windows: ratios are taken of sums, never averaged."""
    result = Window(0, 0, 0.0)
    for window in windows:
        result = result + window
    return result
