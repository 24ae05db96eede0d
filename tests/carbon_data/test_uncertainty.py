"""Spread of reported grams: systematic errors add, shared ones cancel in a comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.types import DataError, MissingDataError
from carbon_data.uncertainty import (
    ErrorModel,
    GramLines,
    monte_carlo_totals,
    paired_reduction,
    reduction,
    spread,
)

grams = st.lists(st.floats(0.1, 1e3), min_size=1, max_size=8)


def lines(values: list[float], meters: int = 1, zones: int = 1) -> GramLines:
    return GramLines(
        np.array(values),
        tuple(f"m{i % meters}" for i in range(len(values))),
        tuple(f"z{i % zones}" for i in range(len(values))),
    )


def test_gain_of_one_meter_adds_linearly_and_of_many_in_quadrature() -> None:
    error = ErrorModel(gain_std_fraction=0.05)
    one = spread(monte_carlo_totals([lines([1.0] * 100)], error)[0])
    many = spread(monte_carlo_totals([lines([1.0] * 100, meters=100)], error)[0])
    assert one.std == pytest.approx(5.0, rel=0.05)
    assert many.std == pytest.approx(0.5, rel=0.05)
    assert one.mean == pytest.approx(100.0, rel=0.01)


def test_random_error_adds_in_quadrature() -> None:
    total = spread(monte_carlo_totals([lines([1.0] * 100)], ErrorModel(0.0, random_std_fraction=0.1))[0])
    assert total.std == pytest.approx(1.0, rel=0.05)


@given(before=grams, after=grams, gain=st.floats(0.0, 0.3))
@settings(max_examples=30)
def test_a_gain_that_both_runs_share_cancels_in_the_reduction(
    before: list[float], after: list[float], gain: float
) -> None:
    found = reduction(lines(before), lines(after), ErrorModel(gain_std_fraction=gain), draws=100)
    assert found.mean == pytest.approx(1.0 - sum(after) / sum(before))
    assert found.std == pytest.approx(0.0, abs=1e-9 * (1 + sum(after) / sum(before)))


def test_pairing_is_tighter_than_treating_the_runs_as_strangers() -> None:
    error = ErrorModel(gain_std_fraction=0.05, intensity_std_fraction=0.1)
    before, after = lines([5.0, 5.0, 5.0], 3, 3), lines([3.0, 2.0, 4.0], 3, 3)
    paired = reduction(before, after, error)
    alone_before = monte_carlo_totals([before], error, seed=1)[0]
    alone_after = monte_carlo_totals([after], error, seed=2)[0]
    assert paired.std < 0.5 * spread(1 - alone_after / alone_before).std


@given(values=grams, seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_draws_repeat_with_their_seed_and_without_error_are_exact(values: list[float], seed: int) -> None:
    error = ErrorModel(0.05, 0.05, 0.05)
    first, second = (monte_carlo_totals([lines(values, 2, 2)], error, draws=50, seed=seed) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(monte_carlo_totals([lines(values)], ErrorModel(0.0), draws=5), sum(values))


def test_paired_seeds_give_an_interval_of_students_t() -> None:
    found = paired_reduction([10.0, 10.0, 10.0, 10.0, 10.0], [5.0, 6.0, 4.0, 5.0, 5.0])
    assert found.mean == pytest.approx(0.5)
    half = 2.776 * np.std([0.5, 0.4, 0.6, 0.5, 0.5], ddof=1) / np.sqrt(5)
    assert found.high - found.mean == pytest.approx(half, rel=1e-3)
    with pytest.raises(DataError, match="at least two"):
        paired_reduction([1.0], [1.0])


def test_unmetered_lines_and_impossible_errors_are_refused() -> None:
    with pytest.raises(MissingDataError):
        lines([1.0, float("nan")])
    with pytest.raises(DataError):
        ErrorModel(gain_std_fraction=-0.1)
    with pytest.raises(DataError):
        GramLines(np.ones(2), ("m",), ("z", "z"))
