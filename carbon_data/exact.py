"""Exact integer arithmetic on columns: what Python's ints and Fractions give row by row, in numpy.

Amounts are int64 columns below 2**53 in size, so that a float holds them exactly; a product of two of them has up to
106 bits. ``floor_times`` and ``ceil_over`` keep the lost half of a product as a second float (Dekker 1971, "A
floating-point technique for extending the available precision"). ``shares_of`` and ``rounded_ratio`` estimate a
quotient in floats and correct it by its remainder, which wraps around in 64 bits and is exact, because it is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

LIMIT = 2**53
_SPLIT = 134_217_729.0
"""2**27 + 1: halves a float's 53 bits."""
_TINY = 1e-150
"""Factors below it (0 apart) would lose digits under the smallest float."""
_STEPS = 64
"""Corrections of an estimate; two are needed at most."""


def to_micro(quantity: Floats) -> Ints:
    """J to integer microjoules, as units.to_micro: half to even."""
    return _whole(np.rint(quantity * 1_000_000))


def floor_times(amount: Ints, factor: Floats) -> Ints:
    """floor(amount * factor), exact. ``factor`` >= 0."""
    _check(amount)
    if _tiny(factor):
        return _rows(lambda n, f: n * f // 1, amount, factor)
    high, low = _product(amount, factor)
    floor = np.floor(high)
    return _whole(floor - ((floor == high) & (low < 0)))


def ceil_times(amount: Ints, factor: Floats) -> Ints:
    """ceil(amount * factor), exact. ``factor`` >= 0."""
    _check(amount)
    if _tiny(factor):
        return _rows(lambda n, f: -(-n * f // 1), amount, factor)
    high, low = _product(amount, factor)
    ceiling = np.ceil(high)
    return _whole(ceiling + ((ceiling == high) & (low > 0)))


def ceil_over(amount: Ints, factor: Floats) -> Ints:
    """ceil(amount / factor), exact. 0 < ``factor`` <= 1."""
    _check(amount)
    if _tiny(factor):
        return _rows(lambda n, f: -(-n / f // 1), amount, factor)
    wanted = amount.astype(np.float64)
    found = np.ceil(wanted / factor)  # never too large: a quotient up to k is rounded to k at most
    _check(found)
    for _ in range(_STEPS):
        short = ~_at_least(found, factor, wanted)
        if not short.any():
            return _whole(found)
        found = found + short
    raise ArithmeticError("a quotient was not found; this is a defect")


def shares_of(total: Ints, part: Ints, whole: Ints) -> tuple[Ints, Ints]:
    """(quotient, remainder) of total * part / whole, exact. 0 <= part <= whole, whole > 0."""
    _check(total)
    _check(whole)
    quotient = _whole(np.floor(total.astype(np.float64) * (part / whole)))
    rest = total * part - quotient * whole
    return _corrected(quotient, rest, whole)


def spread(totals: Ints, weights: Ints) -> Ints:
    """(N, K) of (N,) ``totals`` split over (N, K) ``weights`` in proportion, by largest remainder, ties to the first:
    as coordinator.accounting.spread row by row.

    Raises ValueError where there is something to spread and nothing to spread it over."""
    whole = weights.sum(axis=1)
    if (totals < 0).any() or (weights < 0).any() or ((whole == 0) & (totals > 0)).any():
        raise ValueError(
            "spread of a negative amount, or of an amount over no weight; allowed are values >= 0"
        )
    safe = np.maximum(whole, 1)[:, None]
    shares, rest = shares_of(np.broadcast_to(totals[:, None], weights.shape), weights, safe)
    left = totals - shares.sum(axis=1)
    order = np.argsort(-rest, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(weights.shape[1]), weights.shape), axis=1)
    return shares + (place < left[:, None])


def rounded_ratio(amount: Ints, ratio: Fraction) -> Ints:
    """round(amount * ratio), half to even, exact. ``amount`` and ``ratio`` >= 0."""
    _check(amount)
    top, bottom = ratio.numerator, ratio.denominator
    if top >= 2**62 or bottom >= 2**58 or float(amount.max(initial=0)) * float(ratio) >= LIMIT:
        return np.array([round(int(n) * ratio) for n in amount.tolist()], dtype=np.int64)
    quotient = _whole(np.floor(amount.astype(np.float64) * (top / bottom)))
    rest = amount * np.int64(top) - quotient * np.int64(bottom)
    quotient, rest = _corrected(quotient, rest, np.int64(bottom))
    double = 2 * rest
    return quotient + ((double > bottom) | ((double == bottom) & (quotient % 2 == 1)))


def rounded_ratios(amount: Ints, ratios: Sequence[Fraction], place: Ints) -> Ints:
    """As ``rounded_ratio`` with a ratio of its own for every row: ``ratios[place[row]]``."""
    _check(amount)
    if not amount.size:
        return np.zeros(0, dtype=np.int64)
    largest = float(amount.max())
    if any(r.numerator >= 2**62 or r.denominator >= 2**58 or largest * float(r) >= LIMIT for r in ratios):
        found = np.empty_like(amount)
        for number, ratio in enumerate(ratios):
            found[place == number] = rounded_ratio(amount[place == number], ratio)
        return found
    top, bottom = (
        np.array([getattr(ratio, part) for ratio in ratios], dtype=np.int64)[place]
        for part in ("numerator", "denominator")
    )
    quotient = _whole(np.floor(amount.astype(np.float64) * (top / bottom)))
    quotient, rest = _corrected(quotient, amount * top - quotient * bottom, bottom)
    double = 2 * rest
    return quotient + ((double > bottom) | ((double == bottom) & (quotient % 2 == 1)))


def _corrected(quotient: Ints, rest: Ints, whole: Ints | np.int64) -> tuple[Ints, Ints]:
    for _ in range(_STEPS):
        low, high = rest < 0, rest >= whole
        if not (low.any() or high.any()):
            return quotient, rest
        quotient = quotient - low + high
        rest = rest + np.where(low, whole, 0) - np.where(high, whole, 0)
    raise ArithmeticError("a quotient was not found; this is a defect")


def _product(amount: Ints | Floats, factor: Floats) -> tuple[Floats, Floats]:
    """(high, low) floats whose sum is the product."""
    high = amount * factor
    a1, b1 = _SPLIT * amount, _SPLIT * factor
    a1, b1 = a1 - (a1 - amount), b1 - (b1 - factor)
    a2, b2 = amount - a1, factor - b1
    return high, ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2


def _at_least(amount: Floats, factor: Floats, wanted: Floats) -> NDArray[np.bool_]:
    """Whether amount * factor >= wanted, exact."""
    high, low = _product(amount, factor)
    return np.asarray((high > wanted) | ((high == wanted) & (low >= 0)))


def _tiny(factor: Floats) -> bool:
    if factor.min(initial=1.0) >= _TINY:
        return False
    return bool(((factor > 0) & (factor < _TINY)).any())


def _rows(formula: object, amount: Ints, factor: Floats) -> Ints:
    assert callable(formula)
    pairs = zip(*(each.ravel().tolist() for each in np.broadcast_arrays(amount, factor)), strict=True)
    found = [int(formula(Fraction(n), Fraction(f))) for n, f in pairs]
    return np.array(found, dtype=np.int64).reshape(np.broadcast_shapes(amount.shape, factor.shape))


def _whole(values: Floats) -> Ints:
    _check(values)
    return np.asarray(values, dtype=np.int64)


def _check(values: Ints | Floats) -> None:
    if values.size and not np.abs(values).max() < LIMIT:
        raise OverflowError(
            f"an amount of {np.abs(values).max():.4g}; columns hold amounts below 2**53, 9e9 J of a node in a slot: "
            "shorten time.slot_s, or divide the node"
        )
