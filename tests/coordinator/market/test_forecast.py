"""Forecasts of grid intensity and harvest (methods.md section 1, information regimes). Pure; every error is"""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.forecast import ClearSky, GaussianError, Perfect, Persistence, make_forecast


def test_persistence_repeats_yesterday() -> None:
    series = np.arange(30.0)[None, :]
    forecast = Persistence(period=24)(series, 25, 4)
    assert forecast.tolist() == [[25.0, 2.0, 3.0, 4.0]]
    assert Persistence(24)(series, 3, 3).tolist() == [[3.0, 3.0, 3.0]]  # no day before yet: the last value
    assert Persistence(2)(series, 9, 5).tolist() == [[9.0, 8.0, 9.0, 8.0, 9.0]]


def test_clear_sky_scales_by_the_last_clearness() -> None:
    clear = np.array([[0.0, 10.0, 20.0, 0.0, 10.0]])
    actual = np.array([[0.0, 5.0, 5.0, 0.0, 9.0]])
    forecast = ClearSky(clear)
    assert forecast(actual, 1, 4).tolist() == [[5.0, 10.0, 0.0, 5.0]]
    assert forecast(actual, 3, 2).tolist() == [[0.0, 2.5]]  # night: the index of when the sun last shone
    assert forecast(actual, 0, 2).tolist() == [[0.0, 7.0]]
    with pytest.raises(ValueError, match="must agree"):
        forecast(actual[:, :3], 0, 2)


def test_gaussian_error_has_the_size_asked_for_and_is_seeded() -> None:
    series = np.full((50, 100), 400.0)
    forecast = GaussianError(0.1, seed=3)
    first = forecast(series, 5, 60)
    assert np.array_equal(first, forecast(series, 5, 60))
    assert not np.array_equal(first, GaussianError(0.1, seed=4)(series, 5, 60))
    assert (first[:, 0] == 400.0).all()
    assert first[:, 1:].std() == pytest.approx(40.0, rel=0.1)
    assert (GaussianError(5.0, seed=1)(series, 0, 50) >= 0).all()


def test_forecasts_by_name() -> None:
    assert make_forecast("perfect") == Perfect()
    assert make_forecast("gaussian", error_fraction=0.05, seed=1) == GaussianError(0.05, 1)
    with pytest.raises(ValueError, match="allowed are"):
        make_forecast("crystal-ball")
    with pytest.raises(ValueError, match="look less far"):
        Perfect()(np.zeros((1, 3)), 1, 3)


def test_the_first_column_of_a_series_is_a_day_before_too() -> None:
    assert Persistence(2)(np.array([[1.0, 2.0, 3.0]]), 1, 3).tolist() == [[2.0, 1.0, 2.0]]


def test_a_twentieth_of_the_clearest_sky_is_no_sun() -> None:
    """Two nodes with suns of their own: at exactly a twentieth the clearness is that of the hour before."""
    clear = np.array([[10.0, 20.0, 1.0, 8.0], [0.0, 20.0, 1.1, 8.0]])
    actual = np.array([[5.0, 5.0, 0.9, 0.0], [0.0, 5.0, 0.55, 0.0]])
    forecast = ClearSky(clear)
    np.testing.assert_allclose(forecast(actual, 2, 2), [[0.9, 0.25 * 8.0], [0.55, 0.5 * 8.0]])
    np.testing.assert_allclose(ClearSky(clear, 0.4)(actual, 0, 2), [[5.0, 10.0], [0.0, 8.0]])


def test_errors_and_periods_at_the_edge_of_what_is_allowed() -> None:
    assert Persistence(1)(np.array([[1.0, 2.0, 5.0]]), 1, 3).tolist() == [[2.0, 2.0, 2.0]]
    with pytest.raises(ValueError, match="period is 0; allowed is 1 or more slots"):
        Persistence(0)
    exact = GaussianError(0.0, seed=1)
    assert exact(np.array([[0.25, 0.5, 0.75]]), 0, 3).tolist() == [[0.25, 0.5, 0.75]]
    for fraction in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="allowed is 0 or more"):
            GaussianError(fraction, seed=1)
