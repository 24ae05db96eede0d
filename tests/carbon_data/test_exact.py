"""Exact arithmetic on columns against Python's integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data import exact
from carbon_data.units import to_micro
from coordinator.accounting.lifecycle import emitted_pg
from coordinator.accounting.spread import spread

AMOUNT = st.one_of(st.integers(0, 50), st.integers(0, 2**45), st.integers(0, 2**52))
FACTOR = st.one_of(
    st.floats(1e-9, 1.0, exclude_min=True),
    st.sampled_from([1.0, 0.5, 0.25, 0.95, 0.1, 1 / 3, 1e-12, 5e-324]),
)


def ints(*values: int) -> exact.Ints:
    return np.array(values, dtype=np.int64)


@given(st.lists(st.tuples(AMOUNT, FACTOR), min_size=1, max_size=20))
def test_products_are_rounded_once(rows: list[tuple[int, float]]) -> None:
    amounts, factors = ints(*(n for n, _ in rows)), np.array([f for _, f in rows])
    exactly = [n * Fraction(f) for n, f in rows]
    assert exact.floor_times(amounts, factors).tolist() == [math.floor(each) for each in exactly]
    assert exact.ceil_times(amounts, factors).tolist() == [math.ceil(each) for each in exactly]


@given(st.lists(st.tuples(st.integers(0, 2**45), st.floats(0.004, 1.0)), min_size=1, max_size=20))
def test_quotients_are_rounded_once(rows: list[tuple[int, float]]) -> None:
    amounts, factors = ints(*(n for n, _ in rows)), np.array([f for _, f in rows])
    assert exact.ceil_over(amounts, factors).tolist() == [math.ceil(n / Fraction(f)) for n, f in rows]


@given(st.lists(st.integers(0, 2**44), min_size=1, max_size=6))
def test_whole_quotients_stay_whole(parts: list[int]) -> None:
    for factor in (0.5, 0.75, 1.0):
        amounts = ints(*(4 * part for part in parts))
        assert exact.ceil_over(
            exact.floor_times(amounts, np.full(len(parts), factor)), np.full(len(parts), factor)
        ).tolist() == (amounts.tolist())


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**52), st.lists(st.one_of(st.just(0), AMOUNT), min_size=5, max_size=5).filter(any)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_spreading_is_that_of_the_books(rows: list[tuple[int, list[int]]]) -> None:
    scaled = [(total, [weight // 8 for weight in weights]) for total, weights in rows]
    kept = [(total if any(weights) else 0, weights) for total, weights in scaled]
    found = exact.spread(ints(*(total for total, _ in kept)), np.array([w for _, w in kept], dtype=np.int64))
    assert found.tolist() == [spread(total, weights) for total, weights in kept]


def test_nothing_is_spread_over_nothing() -> None:
    assert exact.spread(ints(0), np.zeros((1, 3), dtype=np.int64)).tolist() == [[0, 0, 0]]
    with pytest.raises(ValueError, match="over no weight"):
        exact.spread(ints(5), np.zeros((1, 3), dtype=np.int64))


@given(
    st.lists(st.integers(0, 2**46), min_size=1, max_size=20),
    st.one_of(st.floats(0.0, 2000.0), st.sampled_from([0.0, 0.5, 18.0, 36.0, 1e-3, 412.37, 1e7])),
)
def test_grams_are_rounded_as_in_the_books(amounts: list[int], intensity: float) -> None:
    ratio = emitted_pg(1, intensity)
    wanted = [round(emitted_pg(amount, intensity)) for amount in amounts]
    assert exact.rounded_ratio(ints(*amounts), ratio).tolist() == wanted


@given(st.lists(st.floats(0.0, 9e8), min_size=1, max_size=20))
def test_joules_become_microjoules_as_one_by_one(values: list[float]) -> None:
    assert exact.to_micro(np.array(values)).tolist() == [to_micro(value) for value in values]


def test_amounts_that_a_float_does_not_hold_are_refused() -> None:
    with pytest.raises(OverflowError, match=r"shorten time.slot_s"):
        exact.floor_times(ints(2**53), np.array([0.5]))


@settings(max_examples=30)
@given(st.integers(0, 2**52), st.integers(1, 2**52), st.integers(0, 2**52))
def test_shares_have_their_remainder(total: int, whole: int, part: int) -> None:
    part = min(part, whole)
    quotient, rest = exact.shares_of(ints(total), ints(part), ints(whole))
    assert (int(quotient[0]), int(rest[0])) == divmod(total * part, whole)
