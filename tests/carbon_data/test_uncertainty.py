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
    reduction_of_seeds,
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


def test_paired_draws_give_a_narrower_interval_than_independent_ones() -> None:
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


def test_a_factor_with_ends_is_log_uniform_between_them() -> None:
    error = ErrorModel(0.0, meter_range={"m0": (0.25, 4.0)})
    drawn = monte_carlo_totals([lines([1.0])], error)[0]
    assert 0.25 <= drawn.min() < 0.26
    assert 3.9 < drawn.max() <= 4.0
    assert np.median(drawn) == pytest.approx(1.0, rel=0.05)  # the geometric middle
    quarters = np.quantile(np.log(drawn), [0.25, 0.75]) / np.log(4.0)
    np.testing.assert_allclose(quarters, [-0.5, 0.5], atol=0.02)
    assert error.gain_ends("m0") == (0.25, 4.0)


def test_one_draw_of_a_factor_holds_for_all_runs_and_for_every_call() -> None:
    """The reduction in each world follows from that world's factor alone, independently of the other meters of the
    call."""
    error = ErrorModel(0.1, meter_range={"net": (0.2, 5.0)})
    before = GramLines(np.array([3.0, 2.0]), ("m", "net"), ("z", "z"))
    after = GramLines(np.array([1.0, 2.5]), ("m", "net"), ("z", "z"))
    alone = GramLines(np.array([1.0]), ("net",), ("z",))
    other = GramLines(np.array([1.0, 1.0]), ("another", "a third"), ("y", "x"))
    factor = monte_carlo_totals([alone], error, draws=500)[0]
    both = monte_carlo_totals([before, after, other], error, draws=500)
    gain = (both[0] - 2.0 * factor) / 3.0
    np.testing.assert_allclose(both[1], gain + 2.5 * factor)
    np.testing.assert_allclose(monte_carlo_totals([after], error, draws=500)[0], both[1])


def test_the_ends_of_a_gain_hold_95_percent_of_its_draws() -> None:
    error = ErrorModel(0.15, meter_std_fraction={"own": 0.02})
    for meter in ("m0", "own"):
        line = GramLines(np.array([1.0]), (meter,), ("z",))
        found = spread(monte_carlo_totals([line], error)[0])
        assert error.gain_ends(meter) == pytest.approx((found.low, found.high), rel=0.02)


def test_seeds_and_readings_together_hold_each_of_them() -> None:
    rng = np.random.default_rng(5)
    worlds = np.exp(0.2 * rng.standard_normal(4000))
    before = np.array([10.0, 11.0, 9.5, 10.5])[:, None] * np.ones(4000)
    after = np.array([6.0, 7.0, 5.5, 6.5])[:, None] * (0.5 + 0.5 * worlds)
    seeds_alone = paired_reduction(before[:, 0], after.mean(axis=1))
    together = reduction_of_seeds(before, after)
    readings = spread((1.0 - after / before).mean(axis=0))
    for one in (seeds_alone, readings):
        assert together.low < one.low
        assert together.high > one.high
    # Without errors of readings it is Student's interval; with one seed, the readings' alone.
    still = reduction_of_seeds(before, np.array([6.0, 7.0, 5.5, 6.5])[:, None] * np.ones(4000))
    student = paired_reduction(before[:, 0], [6.0, 7.0, 5.5, 6.5])
    assert (still.low, still.high) == pytest.approx((student.low, student.high), abs=0.01)
    single = reduction_of_seeds(before[:1], after[:1])
    assert single == spread(1.0 - after[0] / before[0])


def test_no_interval_of_a_reduction_leaves_its_range() -> None:
    assert paired_reduction([1.0, 1.0], [0.5, 0.01]).high == 1.0
    assert reduction_of_seeds(np.ones((2, 100)), np.array([[0.5], [0.01]]) * np.ones(100)).high <= 1.0


def test_impossible_ranges_are_refused() -> None:
    for ends in ((0.0, 1.0), (2.0, 1.0), (1.0, float("inf"))):
        with pytest.raises(DataError, match="range of net"):
            ErrorModel(0.1, meter_range={"net": ends})
