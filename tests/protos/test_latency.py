"""Latency counts: their sums give the percentiles over all requests, within the bin width."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos import latency

LATENCIES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=80)


@given(LATENCIES, LATENCIES, st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_quantiles_of_added_counts_are_within_one_percent(
    one: list[float], two: list[float], fraction: float
) -> None:
    exact = latency.exact_quantile(sorted(one + two), fraction)
    found = latency.quantile(latency.add([latency.count(one), latency.count(two)]), fraction)
    assert exact is not None
    assert found == pytest.approx(exact, rel=0.0101)


@given(LATENCIES)
def test_every_count_is_kept_and_order_does_not_matter(values: list[float]) -> None:
    counts = latency.count(values)
    assert sum(counts.values()) == len(values)
    assert counts == latency.count(reversed(values))
    assert list(counts) == sorted(counts)


def test_nothing_has_no_quantile_and_nonsense_is_refused() -> None:
    assert latency.quantile({}, 0.5) is None
    assert latency.exact_quantile([], 0.5) is None
    assert latency.exact_quantile(np.array([3.0]), 0.5) == 3.0
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="latency"):
            latency.bin_of(wrong)
