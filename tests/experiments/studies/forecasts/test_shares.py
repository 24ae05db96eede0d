"""Shares of sums with intervals, days of the study, and remaining shares: by hand and on invented days."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.studies.forecasts.shares import share


def test_a_share_by_hand() -> None:
    """Parts 1 and 5 of wholes 2 and 6: 6/8. Residuals -0.5 and 0.5; error sqrt(0.5 / 2) / 4; t(1) is 12.706."""
    found = share([1.0, 5.0], [2.0, 6.0])
    assert found.value == pytest.approx(0.75)
    assert found.high is not None
    assert found.high - found.value == pytest.approx(12.7062 * math.sqrt(0.5 / 2) / 4, rel=1e-4)
    assert found.columns("x")["x_low"] == pytest.approx(2 * found.value - found.high)
    assert share([1.0], [2.0]).low is None
    assert math.isnan(share([1.0], [2.0]).columns("x")["x_high"])


def test_a_share_is_constant_where_every_day_has_it() -> None:
    found = share([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert (found.low, found.high) == (pytest.approx(0.5), pytest.approx(0.5))


@pytest.mark.parametrize("whole", [[], [1.0, -1.0], [1.0]])
def test_a_share_of_nothing_is_refused(whole: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        share([1.0, 1.0], whole)


def test_intervals_hold_what_they_say() -> None:
    """Of 400 made-up studies of ten days about 95 of 100 hold the true share."""
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(400):
        whole = rng.uniform(1.0, 3.0, 10)
        part = 0.8 * whole + rng.normal(0.0, 0.2, 10)
        found = share(part, whole)
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 0.8 <= found.high
    assert 0.91 < inside / 400 < 0.985
