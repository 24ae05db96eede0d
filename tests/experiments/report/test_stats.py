"""Mean, spread and paired reductions over seeds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_1samp

from experiments.report import units
from experiments.report.stats import Estimate, estimate, paired_reduction, paired_reductions

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12)


def test_interval_is_students_t_over_the_seeds() -> None:
    sample = [0.41, 0.44, 0.43, 0.47, 0.40]
    found = estimate(sample)
    expected = ttest_1samp(sample, 0.0).confidence_interval(0.95)
    assert found.low == pytest.approx(expected.low)
    assert found.high == pytest.approx(expected.high)
    assert found.sd is not None
    assert (found.high or 0) - found.mean == pytest.approx(float(t.ppf(0.975, 4)) * found.sd / math.sqrt(5))


@given(values)
def test_the_mean_lies_inside_its_interval(sample: list[float]) -> None:
    found = estimate(sample)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.mean <= found.high


def test_one_seed_has_no_spread() -> None:
    found = estimate([3.0])
    assert (found.mean, found.sd, found.low, found.high) == (3.0, None, None, None)
    assert "±" not in units.spread(found, units.grams_scale)
    assert "to" not in units.interval(found)


def test_no_value_and_no_number_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate([])
    with pytest.raises(ValueError, match="finite"):
        estimate([1.0, math.nan])


def test_reductions_pair_equal_seeds_only() -> None:
    policy, baseline = {0: 50.0, 1: 30.0, 7: 1.0}, {0: 100.0, 1: 40.0, 2: 5.0}
    assert paired_reductions(policy, baseline) == {0: 0.5, 1: 0.25}
    found = paired_reduction(policy, baseline)
    assert found is not None
    assert found.mean == pytest.approx(0.375)  # mean of the pairs, not 1 - 80/140
    assert paired_reduction({5: 1.0}, baseline) is None
    assert paired_reductions({0: 1.0}, {0: 0.0}) == {}


def test_mean_and_spread_share_unit_and_decimals() -> None:
    assert units.spread(Estimate((), 0.6187, 0.00351, 0, 0), units.grams_scale) == "618.7 ± 3.5\u202fmg"
    assert units.spread(Estimate((), 12.0, 0.0, 12, 12), units.grams_scale) == "12.0 ± 0\u202fg"
