"""A seeded process for clouds: the clear-sky index, hour by hour, the same for any window of the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_data.sources.clearness import Clearness


def test_cloud_process_has_its_documented_moments() -> None:
    index = Clearness().index(0, 200_000, seed=7)
    assert index.mean() == pytest.approx(0.72, abs=0.01)
    assert index.std() == pytest.approx(0.24, abs=0.01)
    assert index.min() >= 0.08
    assert index.max() <= 1.0
    # Between the hours of one day the day's own level adds to the hourly memory.
    lagged = np.corrcoef(index[:-1], index[1:])[0, 1]
    assert 0.6 < lagged < 0.85


@given(first=st.integers(-20_000, 1_000_000), cut=st.integers(1, 70), seed=st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_clouds_of_an_hour_do_not_depend_on_the_window(first: int, cut: int, seed: int) -> None:
    whole = Clearness().index(first, 72, seed)
    np.testing.assert_array_equal(Clearness().index(first + cut, 72 - cut, seed), whole[cut:])
