"""Formatting of figures for people: the only file that converts to mg, kg, kJ, kWh and percent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from carbon_data.units import joules_to_kwh
from experiments.report.stats import Estimate

NO_VALUE = "–"
THIN = "\u202f"
MINUS = "\u2212"
INFINITE = "\u221e"


@dataclass(frozen=True, slots=True)
class Scale:
    """value in base unit x factor = value in ``unit``."""

    factor: float
    unit: str

    def text(self, value: float | None, digits: int = 3) -> str:
        """``value`` (base unit) with its unit, or a dash when it is missing."""
        return NO_VALUE if missing(value) else f"{number(value * self.factor, digits)}{THIN}{self.unit}"  # type: ignore[operator]


def trimmed(value: float, digits: int = 3) -> str:
    """``number`` without zeros at the end: for settings, which are exact."""
    text, e, exponent = number(value, digits).partition("e")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + e + exponent


def missing(value: object) -> bool:
    """None or NaN (pandas' null)."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>"


def number(value: float, digits: int = 3) -> str:
    """``value`` to ``digits`` significant digits without exponent from 1e-4 to 1e9, thin spaces between
    thousands; an infinite one as its sign."""
    if value == 0:
        return "0"
    if math.isinf(value):
        return INFINITE if value > 0 else f"{MINUS}{INFINITE}"
    size = math.floor(
        math.log10(abs(float(f"{value:.{digits - 1}e}")))
    )  # of the rounded value: 9.998 is 10.0
    if size < -4 or size >= 9:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    decimals = max(0, digits - 1 - size)
    return f"{value:,.{decimals}f}".replace(",", THIN).replace("-", MINUS)


def _scale(largest: float, steps: tuple[tuple[float, float, str], ...]) -> Scale:
    """First step (below, factor, unit) whose bound exceeds ``largest``; the unit without prefix for nothing at all."""
    if largest == 0:
        return Scale(1.0, next((unit for _, factor, unit in steps if factor == 1.0), steps[0][2]))
    for below, factor, unit in steps:
        if largest < below:
            return Scale(factor, unit)
    return Scale(steps[-1][1], steps[-1][2])


def grams_scale(largest_g: float) -> Scale:
    """Unit of emissions fit for values up to ``largest_g`` (g CO2e)."""
    return _scale(
        largest_g,
        ((1e-3, 1e6, "µg"), (1.0, 1e3, "mg"), (1e3, 1.0, "g"), (1e6, 1e-3, "kg"), (math.inf, 1e-6, "t")),
    )


def joules_scale(largest_j: float) -> Scale:
    """Unit of energy fit for values up to ``largest_j``."""
    return _scale(
        largest_j,
        (
            (1e-3, 1e6, "µJ"),
            (1.0, 1e3, "mJ"),
            (1e3, 1.0, "J"),
            (1e6, 1e-3, "kJ"),
            (1e9, 1e-6, "MJ"),
            (1e12, 1e-9, "GJ"),
            (math.inf, 1e-12, "TJ"),
        ),
    )


def bits_per_joule_scale(largest: float) -> Scale:
    """Unit of TREE and EE fit for values up to ``largest`` bit/J."""
    return _scale(
        largest,
        ((1e3, 1.0, "bit/J"), (1e6, 1e-3, "kbit/J"), (1e9, 1e-6, "Mbit/J"), (math.inf, 1e-9, "Gbit/J")),
    )


def watts_scale(largest_w: float) -> Scale:
    """Unit of power fit for values up to ``largest_w``."""
    return _scale(largest_w, ((1.0, 1e3, "mW"), (1e3, 1.0, "W"), (1e6, 1e-3, "kW"), (math.inf, 1e-6, "MW")))


def seconds_scale(largest_s: float) -> Scale:
    """Unit of latency fit for values up to ``largest_s``."""
    return _scale(largest_s, ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (math.inf, 1.0, "s")))


def bytes_scale(largest: float) -> Scale:
    """Unit of data fit for values up to ``largest`` bytes."""
    return _scale(largest, ((1e3, 1.0, "B"), (1e6, 1e-3, "kB"), (1e9, 1e-6, "MB"), (math.inf, 1e-9, "GB")))


def grams(value: float | None, digits: int = 3) -> str:
    return NO_VALUE if missing(value) else grams_scale(abs(value)).text(value, digits)  # type: ignore[arg-type]


def joules(value: float | None, digits: int = 3) -> str:
    return NO_VALUE if missing(value) else joules_scale(abs(value)).text(value, digits)  # type: ignore[arg-type]


def seconds(value: float | None, digits: int = 3) -> str:
    return NO_VALUE if missing(value) else seconds_scale(abs(value)).text(value, digits)  # type: ignore[arg-type]


def kwh(value_j: float | None) -> str:
    """Joules as kWh."""
    return NO_VALUE if missing(value_j) else f"{number(joules_to_kwh(value_j))}{THIN}kWh"  # type: ignore[arg-type]


def bits_per_joule(value: float | None) -> str:
    return NO_VALUE if missing(value) else bits_per_joule_scale(abs(value)).text(value)  # type: ignore[arg-type]


def data_bytes(value: float | None) -> str:
    return NO_VALUE if missing(value) else bytes_scale(abs(value)).text(value)  # type: ignore[arg-type]


def percent(fraction: float | None, decimals: int = 1) -> str:
    """Fraction 0..1 as percent."""
    return NO_VALUE if missing(fraction) else f"{100 * fraction:z.{decimals}f}{THIN}%".replace("-", MINUS)  # type: ignore[operator]


def count(value: float | None) -> str:
    return NO_VALUE if missing(value) else f"{round(value):,}".replace(",", THIN).replace("-", MINUS)  # type: ignore[arg-type]


def plain(value: object) -> str:
    return NO_VALUE if missing(value) else str(value)


def spread(value: Estimate | None, fit: Callable[[float], Scale]) -> str:
    """``mean ± sd unit``, both in the unit that ``fit`` finds for the mean; with one seed the mean alone.

    The standard deviation has two significant digits where the mean's five reach that far, and the mean as
    many
    decimals, three digits at least.
    """
    if value is None:
        return NO_VALUE
    scale = fit(abs(value.mean))
    if value.sd is None:
        return scale.text(value.mean)
    mean, sd = value.mean * scale.factor, value.sd * scale.factor
    if sd == 0:
        return f"{number(mean)} ± 0{THIN}{scale.unit}"
    size = math.floor(math.log10(abs(mean))) if mean else 0
    digits = max(3, min(5, 2 + size - math.floor(math.log10(sd))))
    decimals = max(0, digits - 1 - size)
    shown = f"{sd:.{decimals}f}" if round(sd, decimals) else f"{sd:.1g}"
    return f"{number(mean, digits)} ± {shown}{THIN}{scale.unit}"


def interval(value: Estimate | None) -> str:
    """A reduction as ``mean (low to high)`` in percent; with one seed the value alone."""
    if value is None:
        return NO_VALUE
    if value.low is None or value.high is None:
        return percent(value.mean)
    return f"{percent(value.mean)} ({percent(value.low)} to {percent(value.high)})"


def grams_range(value: float, low: float, high: float) -> str:
    """Grams as ``1.22 [1.10, 4.56] mg``, all in the unit that fits ``value``."""
    scale = grams_scale(abs(value))
    shown, *ends = (number(one * scale.factor) for one in (value, low, high))
    return f"{shown} [{', '.join(ends)}]{THIN}{scale.unit}"


def reduction_text(value: float, low: float, high: float) -> str:
    """A reduction as ``20.1 % [10.2, 24.9]``."""
    ends = (f"{100 * bound:z.1f}".replace("-", MINUS) for bound in (low, high))
    return f"{percent(value)} [{', '.join(ends)}]"


def short_interval(value: Estimate | None) -> str:
    """A reduction as ``mean [low, high]`` in percent, for narrow columns."""
    if value is None or value.low is None or value.high is None:
        return interval(value)
    low, high = (f"{100 * bound:z.1f}".replace("-", MINUS) for bound in (value.low, value.high))
    return f"{percent(value.mean)} [{low}, {high}]"
