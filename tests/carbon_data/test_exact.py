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
    for total in (1, 5):
        with pytest.raises(ValueError, match="over no weight"):
            exact.spread(ints(total), np.zeros((1, 3), dtype=np.int64))
    for totals, weights in ((ints(-1, 3), [[1, 1], [1, 1]]), (ints(0, 3), [[1, 1], [3, -1]])):
        with pytest.raises(ValueError, match="of a negative amount"):
            exact.spread(totals, np.array(weights, dtype=np.int64))


def test_ties_go_to_the_first_of_many() -> None:
    for total in (1, 7, 199):
        shares = exact.spread(ints(total), np.ones((1, 200), dtype=np.int64))[0]
        assert shares.tolist() == [1] * total + [0] * (200 - total)


@given(
    st.lists(st.integers(0, 2**46), min_size=1, max_size=20),
    st.one_of(st.floats(0.0, 2000.0), st.sampled_from([0.0, 0.5, 18.0, 36.0, 1e-3, 412.37, 1e7])),
)
def test_grams_are_rounded_as_in_the_books(amounts: list[int], intensity: float) -> None:
    ratio = emitted_pg(1, intensity)
    if intensity > 2000.0:  # more picograms than 64 bits hold are refused
        amounts = [amount // 64 for amount in amounts]
    wanted = [round(emitted_pg(amount, intensity)) for amount in amounts]
    assert exact.rounded_ratio(ints(*amounts), ratio).tolist() == wanted


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 4)), max_size=20),
    st.lists(st.one_of(st.floats(0.0, 2000.0), st.just(1e7)), min_size=5, max_size=5),
)
def test_grams_of_many_intensities_at_once_are_those_one_by_one(
    rows: list[tuple[int, int]], intensities: list[float]
) -> None:
    ratios = [emitted_pg(1, each) for each in intensities]
    place = ints(*(number for _, number in rows))
    found = exact.rounded_ratios(ints(*(amount for amount, _ in rows)), ratios, place)
    assert found.tolist() == [round(emitted_pg(amount, intensities[number])) for amount, number in rows]


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


def test_estimates_are_corrected_by_their_remainder_either_way() -> None:
    quotient = ints(5, 5, 5, 5, 5, 5, 5)
    rest = ints(-13, -10, -1, 0, 9, 10, 25)
    for whole in (np.full(7, 10, dtype=np.int64), np.int64(10)):
        found, left = exact._corrected(quotient, rest, whole)
        assert found.tolist() == [3, 4, 4, 5, 5, 6, 7]
        assert left.tolist() == [7, 0, 9, 0, 9, 0, 5]
    with pytest.raises(ArithmeticError, match="a quotient was not found"):
        exact._corrected(ints(0), ints(10 * 70), np.int64(10))


def test_factors_that_a_float_hardly_holds() -> None:
    factors = np.array([1e-160, 0.5, 1e-160])
    assert exact.ceil_over(ints(0, 3, 0), factors).tolist() == [0, 6, 0]
    assert exact.floor_times(ints(0, 3, 2**50), factors).tolist() == [0, 1, 0]
    assert exact.ceil_times(ints(0, 3, 2**50), factors).tolist() == [0, 2, 1]
    pairs = exact.floor_times(np.full((2, 1), 7, dtype=np.int64), np.array([1e-160, 0.5, 1.0]))
    assert pairs.tolist() == [[0, 3, 7]] * 2


def test_a_quotient_just_above_a_whole_number_is_the_next() -> None:
    """0.3 is a bit less than three tenths, 0.1 a bit more than a tenth."""
    amounts, factors = ints(3, 3, 1, 0, 2**50), np.array([0.3, 0.1, 0.7, 0.3, 0.9])
    wanted = [math.ceil(n / Fraction(f)) for n, f in zip(amounts.tolist(), factors.tolist(), strict=True)]
    assert exact.ceil_over(amounts, factors).tolist() == wanted
    assert wanted[:4] == [11, 30, 2, 0]


def test_halves_of_a_ratio_are_rounded_to_even() -> None:
    assert exact.rounded_ratio(ints(0, 1, 3, 5, 7, 9), Fraction(1, 2)).tolist() == [0, 0, 2, 2, 4, 4]
    assert exact.rounded_ratio(ints(1, 2, 3), Fraction(2, 3)).tolist() == [1, 1, 2]
    assert exact.rounded_ratio(ints(), Fraction(1, 2)).tolist() == []
    # in Python's integers: large terms of the ratio, and amounts beyond 2**53
    for ratio in (
        *(Fraction(2**62 + 1, 2**61), Fraction(2**63 + 1, 2**57), Fraction(3, 2**60)),
        *(Fraction(2**61, 2**63 - 1), Fraction(2**52), Fraction(2**53)),
    ):
        assert exact.rounded_ratio(ints(1, 2, 3), ratio).tolist() == [round(n * ratio) for n in (1, 2, 3)]
    with pytest.raises(OverflowError):
        exact.rounded_ratio(ints(2**52), Fraction(2**20))


@pytest.mark.parametrize(
    "found",
    [
        lambda: exact.floor_times(ints(1, 2**53), np.ones(2)),
        lambda: exact.ceil_times(ints(1, -(2**53)), np.ones(2)),
        lambda: exact.ceil_over(ints(1, 2**53), np.ones(2)),
        lambda: exact.ceil_over(ints(1, 2**52), np.array([1.0, 0.5])),
        lambda: exact.floor_times(ints(1, 2**52), np.array([1.0, 2.0])),
        lambda: exact.shares_of(ints(1, 2**53), ints(1, 1), ints(1, 1)),
        lambda: exact.shares_of(ints(1, 1), ints(1, 1), ints(1, 2**53)),
        lambda: exact.rounded_ratio(ints(1, 2**53), Fraction(1)),
        lambda: exact.to_micro(np.array([1.0, 9.1e9])),
    ],
)
def test_every_amount_of_2_to_53_is_refused(found: object) -> None:
    assert callable(found)
    with pytest.raises(OverflowError, match=r"an amount of 9\.\d+e\+15; columns hold amounts below 2\*\*53"):
        found()


def test_the_largest_amount_is_taken() -> None:
    most = 2**53 - 1
    assert exact.floor_times(ints(most, -most), np.ones(2)).tolist() == [most, -most]
    assert exact.floor_times(ints(), np.ones(0)).tolist() == []
