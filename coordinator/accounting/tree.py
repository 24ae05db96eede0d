"""TREE and EE from booked figures: (T1) of methods.md section 5, over a window in bits, tokens and joules.

TREE: token-responsive energy efficiency of the TREE paper; EE: its token-free part. Both in bit/J. Tokens are those
of tasks that generate, input and generated ones apart: TREE is over both, as the paper's equation 1 has it ("the
number of input or output tokens"), and TREE over generated tokens stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """What was delivered in a window (a run, a node, a stage or a slot), and the energy it took."""

    bits: int
    tokens_in: int
    """Read."""
    tokens_out: int
    """Generated."""
    energy_j: float

    def __post_init__(self) -> None:
        if min(self.bits, self.tokens_in, self.tokens_out) < 0 or not self.energy_j >= 0:
            raise ValueError(f"{self}: allowed are values >= 0")

    def __add__(self, other: Window) -> Window:
        return Window(
            self.bits + other.bits,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.energy_j + other.energy_j,
        )

    @property
    def tokens(self) -> int:
        """T of (T1): input and generated."""
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Efficiency:
    """(T1) of one window; None where no energy was used, since a ratio to nothing is not zero."""

    tree_bit_per_j: float | None
    """Over input and generated tokens."""
    tree_generated_bit_per_j: float | None
    """Over generated tokens alone."""
    ee_bit_per_j: float | None

    def of(self, whom: str) -> dict[str, float | None]:
        """The ratios under the names of a table: ``tree_<whom>_bit_per_j`` and so on."""
        return {f"{name}_{whom}_bit_per_j": getattr(self, f"{name}_bit_per_j") for name in RATIOS}


RATIOS = tuple(name.removesuffix("_bit_per_j") for name in Efficiency.__slots__)
"""Names of the ratios, without their unit."""


def efficiency(window: Window, alpha_bits_per_token: float) -> Efficiency:
    """(T1): eta_TREE = (bits + alpha tokens) / energy, and EE = bits / energy, in bit/J."""
    if not alpha_bits_per_token >= 0:
        raise ValueError(f"alpha is {alpha_bits_per_token} bit/token; allowed is >= 0")
    if window.energy_j == 0:
        return Efficiency(None, None, None)
    return Efficiency(
        tree_bit_per_j=(window.bits + alpha_bits_per_token * window.tokens) / window.energy_j,
        tree_generated_bit_per_j=(window.bits + alpha_bits_per_token * window.tokens_out) / window.energy_j,
        ee_bit_per_j=window.bits / window.energy_j,
    )


def total(windows: Iterable[Window]) -> Window:
    """Sum of windows: ratios are taken of sums, never averaged."""
    result = Window(0, 0, 0, 0.0)
    for window in windows:
        result = result + window
    return result


def sweep(
    window: Window, alphas_bits_per_token: Iterable[float]
) -> list[tuple[float, float | None, float | None]]:
    """(alpha, TREE, EE) for each weight of a token: EE does not move, and one sees where the two part."""
    found = [(alpha, efficiency(window, alpha)) for alpha in alphas_bits_per_token]
    return [(alpha, each.tree_bit_per_j, each.ee_bit_per_j) for alpha, each in found]


@dataclass(frozen=True, slots=True)
class TokenUtility:
    """U_i of (T3) for one service: what its tokens (input and generated) are worth, in bit.

    Linear: alpha * tokens. Saturating: alpha * scale * (1 - exp(-tokens / scale)), which is worth
    alpha per token at first and never more than alpha * scale in all.
    """

    alpha_bits_per_token: float
    saturation_tokens: float | None = None
    """Scale of saturation; None: linear."""

    def __post_init__(self) -> None:
        if not self.alpha_bits_per_token >= 0:
            raise ValueError(f"alpha is {self.alpha_bits_per_token} bit/token; allowed is >= 0")
        if self.saturation_tokens is not None and not self.saturation_tokens > 0:
            raise ValueError(f"saturation_tokens is {self.saturation_tokens}; allowed is > 0, or none")

    def bits(self, tokens: float) -> float:
        """Worth of ``tokens`` tokens, in bit."""
        if self.saturation_tokens is None:
            return self.alpha_bits_per_token * tokens
        scale = self.saturation_tokens
        return -self.alpha_bits_per_token * scale * math.expm1(-tokens / scale)


def weighted_tree(
    tokens: Mapping[str, tuple[float, int, TokenUtility]],
    bits: Mapping[str, tuple[float, int]],
    energy_j: float,
) -> float | None:
    """(T3): (sum_i w_i U_i(T_i) + sum_j w_j R_j) / E, in bit/J, over a window; None without energy.

    Args:
        tokens: By service: weight w_i, tokens T_i, utility U_i.
        bits: By service: weight w_j, bits R_j delivered.
        energy_j: Joules of the window.

    Raises:
        ValueError: a negative weight, count or energy.
    """
    values = [energy_j, *(x for w, t, _ in tokens.values() for x in (w, t))]
    values += [x for pair in bits.values() for x in pair]
    if not all(value >= 0 for value in values):
        raise ValueError(f"tokens {dict(tokens)}, bits {dict(bits)}, {energy_j} J; allowed are values >= 0")
    if energy_j == 0:
        return None
    worth = sum(weight * utility.bits(count) for weight, count, utility in tokens.values())
    return (worth + sum(weight * count for weight, count in bits.values())) / energy_j
