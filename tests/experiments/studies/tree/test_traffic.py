"""Poisson arrivals with common random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.tree.model import (
    Service,
)
from experiments.studies.tree.traffic import draw


def test_traffic_is_fixed_by_the_seed_and_only_stretched_by_the_rate() -> None:
    slow, fast = (draw(5, [rate, 0.0, 0.0], 50.0) for rate in (10.0, 20.0))
    n = len(slow)
    assert fast.time_ps[:n] == pytest.approx(slow.time_ps / 2, abs=2)
    again = draw(5, [10.0, 0.0, 0.0], 50.0)
    assert np.array_equal(slow.time_ps, again.time_ps)
    other = draw(5, [10.0, 3.0, 0.0], 50.0)
    assert np.array_equal(other.time_ps[other.service == Service.VR], slow.time_ps)
    assert not np.array_equal(draw(6, [10.0, 0.0, 0.0], 50.0).time_ps[:20], slow.time_ps[:20])
    assert abs(n - 500) < 5 * 500**0.5
    with pytest.raises(ValueError, match="three finite"):
        draw(0, [1.0, -1.0, 0.0], 1.0)
    with pytest.raises(ValueError, match="horizon_s"):
        draw(0, [1.0, 1.0, 0.0], 0.0)
