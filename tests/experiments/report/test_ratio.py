"""A ratio of two sums over requests, with its interval."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.report.ratio import ratio


def test_it_is_sum_over_sum_and_not_the_mean_of_ratios() -> None:
    found = ratio([1.0, 8.0], [1, 2])
    assert found is not None
    assert found.value == 3.0


def test_proportional_amounts_have_no_spread_and_one_has_no_interval() -> None:
    found = ratio([2.0, 4.0, 10.0], [1, 2, 5])
    assert found is not None
    assert found.half_width == pytest.approx(0.0)
    one = ratio([2.0], [4])
    assert one is not None
    assert (one.value, one.half_width) == (0.5, None)


def test_the_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(1), 0
    for _ in range(400):
        counts = random.integers(20, 200, 12)
        found = ratio((0.025 * counts * random.normal(1.0, 0.1, 12)).tolist(), counts.tolist())
        assert found is not None
        assert found.half_width is not None
        held += abs(found.value - 0.025) <= found.half_width
    assert 0.90 < held / 400 < 0.99


def test_nothing_counted_is_no_ratio() -> None:
    assert ratio([], []) is None
    assert ratio([1.0], [0]) is None
    with pytest.raises(ValueError, match="one count for each"):
        ratio([1.0], [])
