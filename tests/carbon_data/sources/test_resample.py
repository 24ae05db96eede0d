"""Means of a piecewise-constant series over intervals of any length: the one place where steps are converted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from carbon_data.sources.resample import interval_means

HOUR = timedelta(hours=1)
START = datetime(2022, 6, 21, tzinfo=UTC)


@given(
    offset_min=st.integers(0, 300),
    step_min=st.integers(1, 400),
    count=st.integers(1, 8),
    values=st.lists(st.floats(0.0, 1000.0), min_size=64, max_size=64),
)
def test_interval_means_are_the_integral_over_the_interval(
    offset_min: int, step_min: int, count: int, values: list[float]
) -> None:
    minutes = np.repeat(np.array(values), 60)
    start = START + timedelta(minutes=offset_min)
    means = interval_means(np.array(values), START, HOUR, start, timedelta(minutes=step_min), count)
    by_minute = minutes[offset_min : offset_min + step_min * count].reshape(count, step_min).mean(axis=1)
    np.testing.assert_allclose(means, by_minute, rtol=1e-9, atol=1e-9)
