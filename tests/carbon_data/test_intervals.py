"""Intervals of sums: steps add up, noise averages out, sensors are independent."""

from __future__ import annotations

import numpy as np
import pytest

from carbon_data.intervals import of_sensors, of_windows


def test_noise_grows_with_the_root_and_a_step_with_the_number() -> None:
    assert of_windows([(2.0, 0.0)] * 25) == (pytest.approx(10.0), 0.0)
    assert of_windows([(2.0, 2.0)] * 25) == (pytest.approx(50.0), 50.0)
    half, bias = of_windows([(5.0, 3.0)] * 4)
    assert (half, bias) == (pytest.approx((4 * 16 + 12**2) ** 0.5), 12.0)


def test_one_window_is_itself_and_none_is_nothing() -> None:
    assert of_windows([(5.0, 3.0)]) == (pytest.approx(5.0), 3.0)
    assert of_windows([]) == (0.0, 0.0)


def test_sensors_err_independently() -> None:
    assert of_sensors([3.0, 4.0]) == pytest.approx(5.0)
    assert of_sensors([]) == 0.0


def test_the_sums_interval_covers_as_often_as_it_says() -> None:
    """Windows with noise of their own and a step that all of them share."""
    random = np.random.default_rng(1)
    noise, step, windows, runs = 1.0, 0.4, 30, 4000
    errors = random.normal(0, noise, (runs, windows)).sum(axis=1) + windows * random.normal(0, step, runs)
    half, _ = of_windows([(1.96 * (noise**2 + step**2) ** 0.5, 1.96 * step)] * windows)
    assert 0.94 < float(np.mean(np.abs(errors) <= half)) < 0.96
    # With everything taken for noise it would not.
    assert float(np.mean(np.abs(errors) <= 1.96 * (windows * (noise**2 + step**2)) ** 0.5)) < 0.8
