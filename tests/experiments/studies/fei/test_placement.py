"""Where the servers stand: ten US zones, sorted by intensity or at random, and grams for energies placed there."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.fei import placement


def test_sorted_placement_starts_low_and_wraps() -> None:
    world = placement.intensities()
    c = placement.sorted_intensity(world, 11)
    assert (np.diff(c[:10]) >= 0).all()
    assert c[10] == c[0]
    assert c[0] == pytest.approx(24.0, abs=1.0)


def test_random_placement_keeps_grams_per_joule() -> None:
    world = placement.intensities()
    for count in (2, 10):
        drawn = placement.random_grams(world, np.full(count, 3.6e6 / count), 0.0)
        exact = placement.random_mean_grams(world, np.full(count, 3.6e6 / count), 0.0)
        assert exact == pytest.approx(world.annual_g_per_kwh.mean())
        assert drawn.mean() == pytest.approx(exact, rel=0.05)


def test_the_range_over_starting_hours_holds_the_annual_mean() -> None:
    world = placement.intensities()
    low, high = placement.start_spread(world, np.full(6, 1e6), 1e5, duration_s=7200.0)
    assert low <= placement.sorted_grams(world, np.full(6, 1e6), 1e5) <= high
