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
    Spread,
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
    assert found.std == pytest.approx(np.std([0.5, 0.4, 0.6, 0.5, 0.5], ddof=1))
    assert found.mean - found.low == pytest.approx(half, rel=1e-3)
    narrow = paired_reduction([10.0, 10.0, 10.0], [5.0, 6.0, 4.0], level_fraction=0.5)
    assert narrow.high - narrow.mean == pytest.approx(0.8165 * 0.1 / np.sqrt(3), rel=1e-3)  # t_2 at 0.75
    with pytest.raises(DataError, match="at least two"):
        paired_reduction([1.0], [1.0])


def test_spread_by_hand() -> None:
    """0, 1, ..., 100: mean 50, its deviation over all of them, and quantiles on the samples themselves."""
    found = spread(np.arange(101.0))
    assert found == Spread(50.0, pytest.approx(np.sqrt(850.0)), pytest.approx(2.5), pytest.approx(97.5))
    assert (spread(np.arange(101.0), 0.5).low, spread(np.arange(101.0), 0.5).high) == (25.0, 75.0)
    assert spread([1.0, 2.0]).mean == 1.5
    for samples in ([1.0], [1.0, float("nan")], [[1.0, 2.0], [3.0, 4.0]]):
        with pytest.raises(DataError, match="need at least two finite samples in one dimension"):
            spread(samples)
    for level in (0.0, 1.0, -0.5, 1.5):
        with pytest.raises(DataError, match=f"level_fraction is {level}; allowed is between 0 and 1"):
            spread([1.0, 2.0], level)


def test_what_sampling_leaves_unknown_is_of_each_run_alone() -> None:
    run = GramLines(np.array([3.0, 5.0]), ("m", "n"), ("y", "y"), noise_std_g=0.5)
    one, two = monte_carlo_totals([run, run], ErrorModel(0.0), draws=5_000)
    assert one.std() == pytest.approx(0.5, rel=0.03)
    assert one.mean() == pytest.approx(8.0, abs=0.03)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.05
    both = monte_carlo_totals([run], ErrorModel(0.0, random_std_fraction=0.1), draws=5_000)[0]
    assert both.std() == pytest.approx(np.hypot(0.5, 0.1 * np.hypot(3.0, 5.0)), rel=0.03)
    for wrong in (-0.1, np.nan):
        with pytest.raises(DataError, match="noise_std_g"):
            GramLines(np.array([1.0]), ("m",), ("z",), noise_std_g=wrong)


def test_totals_are_of_lines_with_their_own_meter_and_zone() -> None:
    """Without errors: the sum. With a fixed gain and a wild intensity of one zone: that zone's grams alone move."""
    run = GramLines(np.array([3.0, 5.0, 7.0]), ("m", "n", "m"), ("y", "y", "z"))
    other = GramLines(np.array([11.0]), ("n",), ("z",))
    still = monte_carlo_totals([run, other], ErrorModel(0.0), draws=3)
    np.testing.assert_allclose(still, [[15.0] * 3, [11.0] * 3])
    fixed = ErrorModel(0.0, meter_range={"m": (2.0, 2.0), "n": (3.0, 3.0)})
    moved = monte_carlo_totals([run, other], fixed, draws=2)
    np.testing.assert_allclose(moved, [[2 * 10.0 + 3 * 5.0] * 2, [33.0] * 2])
    zones = monte_carlo_totals([run, other], ErrorModel(0.0, intensity_std_fraction=0.2), draws=500)
    z = zones[1] / 11.0
    y = (zones[0] - 7.0 * z) / 8.0
    assert z.std() == pytest.approx(0.2, rel=0.1)
    assert y.std() == pytest.approx(0.2, rel=0.1)
    assert abs(np.corrcoef(y, z)[0, 1]) < 0.15
    for runs, draws in (([], 10), ([run], 1)):
        with pytest.raises(DataError, match="allowed is at least one run and two draws"):
            monte_carlo_totals(runs, ErrorModel(0.0), draws=draws)
    assert monte_carlo_totals([run], ErrorModel(0.1)).shape == (1, 10_000)
    first, second = (monte_carlo_totals([run], ErrorModel(0.1), draws=2, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, monte_carlo_totals([run], ErrorModel(0.1), draws=2))
    assert not np.allclose(first, second)


def test_every_deviation_of_an_error_model_is_a_fraction() -> None:
    ErrorModel(0.0, 0.0, 0.0, {"m": 0.0}, {"n": (1.0, 1.0)})
    for name, value in (
        ("gain_std_fraction", -0.1),
        ("intensity_std_fraction", -0.1),
        ("random_std_fraction", -0.1),
        ("intensity_std_fraction", 1.0),
        ("gain_std_fraction", float("nan")),
    ):
        with pytest.raises(DataError, match=f"^{name} is {value}; allowed is 0 or more and below 1"):
            ErrorModel(**{"gain_std_fraction": 0.1, name: value})
    with pytest.raises(DataError, match=r"^own is 1\.5; allowed"):
        ErrorModel(0.1, meter_std_fraction={"own": 1.5})
    error = ErrorModel(0.2, meter_std_fraction={"own": 0.1})
    assert (error.gain_std("own"), error.gain_std("m")) == (0.1, 0.2)
    sigma = np.sqrt(np.log1p(0.04))
    ends = error.gain_ends("m", 0.5)
    assert ends == pytest.approx(np.exp(-(sigma**2) / 2 + np.array([-0.67449, 0.67449]) * sigma), rel=1e-4)


def test_reductions_need_a_baseline_that_emits() -> None:
    nothing = GramLines(np.array([0.0]), ("m",), ("z",))
    with pytest.raises(DataError, match="the baseline emits nothing in some draws"):
        reduction(nothing, nothing, ErrorModel(0.1))
    for before, after in (([1.0, 1.0], [1.0]), (np.ones((2, 2, 2)), np.ones((2, 2, 2)))):
        with pytest.raises(DataError, match="give the same seeds, at least two, for both"):
            paired_reduction(before, after)
    for before, after in (([1.0, 0.0], [1.0, 1.0]), ([1.0, 2.0], [1.0, float("inf")]), ([np.nan, 1], [1, 1])):
        with pytest.raises(DataError, match="totals must be finite, and those of the baseline positive"):
            paired_reduction(before, after)
    assert paired_reduction([1.0, 2.0], [2.0, 4.0]).mean == -1.0


def test_a_reduction_of_seeds_by_its_parts() -> None:
    """Mean and deviation: over worlds of the mean over seeds, and the mean squared standard error of the seeds."""
    rng = np.random.default_rng(3)
    before = 10.0 + rng.random((3, 400))
    after = before * np.array([[0.4], [0.5], [0.9]]) * (1 + 0.1 * rng.random(400))
    each = 1.0 - after / before
    error = each.std(axis=0, ddof=1) / np.sqrt(3)
    found = reduction_of_seeds(before, after)
    assert found.mean == pytest.approx(each.mean())
    assert found.std == pytest.approx(np.sqrt(each.mean(axis=0).var() + np.mean(error**2)))
    assert found == reduction_of_seeds(before, after, level_fraction=0.95, seed=0)
    assert found.low < reduction_of_seeds(before, after, level_fraction=0.5).low
    assert found.low != reduction_of_seeds(before, after, seed=1).low


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


@pytest.mark.parametrize(
    ("error", "drawn"),
    [
        (ErrorModel(0.1), [1.0203592192812208, 0.9852943287772422, 0.9216597439904769]),
        (
            ErrorModel(0.0, intensity_std_fraction=0.2),
            [0.8507012149572316, 0.7918394868221392, 1.2979750275630002],
        ),
        (
            ErrorModel(0.0, random_std_fraction=0.1),
            [1.0417607271981073, 1.1013506876777441, 0.9110514666856429],
        ),
    ],
)
def test_a_seed_names_the_same_worlds_for_ever(error: ErrorModel, drawn: list[float]) -> None:
    """Golden values: intervals of published tables can be computed again to the last digit that is printed."""
    one = GramLines(np.array([1.0]), ("m",), ("z",))
    assert monte_carlo_totals([one], error, draws=3, seed=0)[0].tolist() == pytest.approx(drawn, rel=1e-12)


def test_a_seed_names_the_same_interval_over_seeds_for_ever() -> None:
    """Golden values: two seeds, 0.6 and 0.4 in every one of four worlds."""
    after = np.array([[4.0] * 4, [6.0] * 4])
    found = reduction_of_seeds(np.full((2, 4), 10.0), after, level_fraction=0.5, seed=0)
    assert (found.mean, found.std) == pytest.approx((0.5, 0.1))
    assert (found.low, found.high) == pytest.approx((0.44539448441362095, 0.501617468798558), rel=1e-12)
