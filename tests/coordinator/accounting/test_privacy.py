"""Epsilon of repeated Gaussian noise, against the exact loss in closed form."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from coordinator.accounting.privacy import gaussian_epsilon


def exact(noise_multiplier: float, releases: int, delta: float) -> float:
    """T releases of Gaussian noise are one with z / sqrt(T); its delta at epsilon is in closed form (Balle and Wang
    2018, arXiv:1805.06530, theorem 8)."""
    z = noise_multiplier / math.sqrt(releases)

    def excess(epsilon: float) -> float:
        first = norm.cdf(1 / (2 * z) - epsilon * z)
        second = math.exp(epsilon + norm.logcdf(-1 / (2 * z) - epsilon * z))
        return float(first - second - delta)

    return float(brentq(excess, 0.0, 1e4)) if excess(0.0) > 0 else 0.0


@given(st.floats(0.5, 50.0), st.integers(1, 200), st.sampled_from([1e-3, 1e-5, 1e-8]))
def test_it_is_no_less_than_the_exact_loss_and_little_more(z: float, releases: int, delta: float) -> None:
    found, least = gaussian_epsilon(z, releases, delta), exact(z, releases, delta)
    assert found >= least * (1 - 1e-9) - 1e-9
    assert found <= 1.2 * least + 0.05


@pytest.mark.parametrize(("z", "releases"), [(1.0, 1), (1.0, 20), (4.0, 100)])
def test_more_releases_and_less_noise_cost_more(z: float, releases: int) -> None:
    assert gaussian_epsilon(z, releases + 1, 1e-5) > gaussian_epsilon(z, releases, 1e-5)
    assert gaussian_epsilon(z / 2, releases, 1e-5) > gaussian_epsilon(z, releases, 1e-5)
    assert gaussian_epsilon(z, releases, 1e-6) > gaussian_epsilon(z, releases, 1e-5)


def test_nothing_released_costs_nothing_and_nonsense_is_refused() -> None:
    assert gaussian_epsilon(1.0, 0, 1e-5) == 0.0
    for wrong in ((0.0, 1, 1e-5), (math.inf, 1, 1e-5), (1.0, -1, 1e-5), (1.0, 1, 0.0), (1.0, 1, 1.0)):
        with pytest.raises(ValueError, match="allowed"):
            gaussian_epsilon(*wrong)


@pytest.mark.parametrize("releases", [1, 100_000])
def test_the_least_noise_of_a_scenario_has_a_finite_epsilon(releases: int) -> None:
    assert math.isfinite(gaussian_epsilon(0.5e-6, releases, 1e-5))
