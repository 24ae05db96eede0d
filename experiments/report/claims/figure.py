"""The one figure of a claim: ours with its interval, the paper's, and where the claim holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from experiments.report.units import MINUS, THIN, number, percent, trimmed

_WHOLE = 1e-9
"""Distance from a whole number up to which a figure is shown as one."""

_NOTHING = 1e-12
"""Magnitude up to which a figure is shown as 0: rounding of sums."""

_EXPONENT_BELOW = 1e-8
"""Fractions below it are written with a power of ten."""


class Kind(StrEnum):
    """How a figure is written."""

    FACTOR = "factor"
    """× 1.79"""
    FRACTION = "fraction"
    """0.749 is 74.9 %"""
    NUMBER = "number"
    """With its unit."""


@dataclass(frozen=True, slots=True)
class ClaimFigure:
    """One figure; values are base units (a fraction is 0.749, never 74.9)."""

    what: str
    """What is measured, in words."""
    kind: Kind = Kind.NUMBER
    ours: float | None = None
    """None where it was not computed."""
    low: float | None = None
    high: float | None = None
    """Ends of the interval; one of them alone is None where the interval is open on that side."""
    interval: str = ""
    """What the interval is, such as ``95 % interval over 10 days``."""
    paper: float | None = None
    """None where the paper gives no figure, or where there is no paper."""
    at_least: float | None = None
    at_most: float | None = None
    """Where the claim holds."""
    unit: str = ""

    def __post_init__(self) -> None:
        values = (self.ours, self.low, self.high, self.paper, self.at_least, self.at_most)
        if any(value is not None and not math.isfinite(value) for value in values):
            raise ValueError(f"figures of a claim are finite or None, got {values} for {self.what!r}")

    def text(self, value: float) -> str:
        """A value of this kind."""
        if self.kind is Kind.FRACTION:
            if 0 < abs(value) < _EXPONENT_BELOW:
                return f"{number(100 * value, 1)}{THIN}%"
            return percent(value, 1 if abs(value) >= 0.001 or value == 0 else _first_digit(100 * value))
        whole = round(value)
        is_whole = abs(value - whole) <= (_WHOLE if whole else _NOTHING) and abs(value) < 1e6
        shown = f"{whole:,}".replace(",", THIN).replace("-", MINUS) if is_whole else number(value)
        if self.kind is Kind.FACTOR:
            return f"×{THIN}{shown}"
        return f"{shown}{THIN}{self.unit}" if self.unit else shown

    @property
    def ours_text(self) -> str:
        """Our value, without its interval."""
        return "not computed" if self.ours is None else self.text(self.ours)

    @property
    def interval_text(self) -> str:
        """Such as ``1.70 to 1.90``; empty without an interval, and where both its ends are written alike."""
        if self.low is None and self.high is None:
            return ""
        low = f"{MINUS}∞" if self.low is None else self.text(self.low)
        high = "∞" if self.high is None else self.text(self.high)
        return "" if low == high else f"{low} to {high}"

    @property
    def wanted_text(self) -> str:
        """Where the claim holds, in words; empty where no limit is set."""
        if self.at_least is not None and self.at_least == self.at_most:
            return f"exactly {self._limit(self.at_least)}"
        said = []
        if self.at_least is not None:
            said.append(f"at least {self._limit(self.at_least)}")
        if self.at_most is not None:
            said.append(f"at most {self._limit(self.at_most)}")
        return ", ".join(said)

    def _limit(self, value: float) -> str:
        """A limit is exact: no zeros at the end."""
        if self.kind is Kind.FRACTION:
            return f"{trimmed(100 * value)}{THIN}%"
        shown = trimmed(value)
        return f"×{THIN}{shown}" if self.kind is Kind.FACTOR else f"{shown}{THIN}{self.unit}".rstrip(THIN)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every field, null where there is none."""
        return {**asdict(self), "kind": str(self.kind)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ClaimFigure:
        """The figure that ``as_dict`` wrote."""
        return cls(**{**fields, "kind": Kind(fields["kind"])})


def _first_digit(value: float) -> int:
    """Decimals up to the first digit that is not 0."""
    return -math.floor(math.log10(abs(value)))


def between(values: Sequence[float]) -> dict[str, float]:
    """Mean, lowest and highest of several values, as fields of a figure; one value has no interval."""
    found = {"ours": math.fsum(values) / len(values)}
    return found if len(values) == 1 else {**found, "low": min(values), "high": max(values)}


def finite(value: float | None) -> float | None:
    """``value``, or None where it is not a finite number: the open end of an interval."""
    return None if value is None or not math.isfinite(value) else float(value)
