"""Signed ranks, Holm and power, beside scipy's own and by their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, t, wilcoxon

from experiments.report.paired import (
    FEWEST_PAIRS,
    POWER,
    holm,
    pairs_needed,
    power_of,
    signed_rank_p,
    visible_difference,
)

different = st.lists(st.integers(1, 10_000), min_size=1, max_size=25, unique=True).flatmap(
    lambda sizes: st.tuples(*(st.sampled_from((size, -size)) for size in sizes))
)


@given(different)
def test_signed_ranks_are_scipys_exact_test(values: tuple[int, ...]) -> None:
    assert signed_rank_p(values) == pytest.approx(wilcoxon(values, method="exact").pvalue)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9).filter(any))
def test_ties_are_counted_over_all_sign_patterns(values: list[int]) -> None:
    sizes = np.abs([value for value in values if value])
    ranks = np.array([(sizes < size).sum() + ((sizes == size).sum() + 1) / 2 for size in sizes])
    signs = np.array([value > 0 for value in values if value])
    patterns = (np.arange(2**sizes.size)[:, None] >> np.arange(sizes.size)) & 1
    sums = patterns @ ranks
    found = min(ranks[signs].sum(), ranks[~signs].sum())
    assert signed_rank_p(values) == pytest.approx(min(1.0, 2 * (sums <= found).mean()))


def test_many_pairs_are_nearly_normal() -> None:
    values = np.random.default_rng(0).normal(0.3, 1.0, 80)
    assert signed_rank_p(values) == pytest.approx(wilcoxon(values, method="approx", correction=False).pvalue)


def test_fewer_pairs_than_stated_cannot_be_significant() -> None:
    assert signed_rank_p([1.0 + k for k in range(FEWEST_PAIRS - 1)]) > 0.05  # type: ignore[operator]
    assert signed_rank_p([1.0 + k for k in range(FEWEST_PAIRS)]) < 0.05  # type: ignore[operator]
    assert signed_rank_p([0.0, 0.0]) is None


@given(st.lists(st.none() | st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_never_lowers(values: list[float | None]) -> None:
    corrected = holm(values)
    known = [(p, q) for p, q in zip(values, corrected, strict=True) if p is not None]
    assert [q is None for q in corrected] == [p is None for p in values]
    assert all(q is not None and p <= q <= 1 for p, q in known)
    assert [q for _, q in sorted(known)] == sorted(q for _, q in known if q is not None)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])


def test_power_is_the_noncentral_ts() -> None:
    edge, shift = t.ppf(0.975, 4), 0.02 / 0.01 * math.sqrt(5)
    assert power_of(0.02, 0.01, 5) == pytest.approx(nct.sf(edge, 4, shift) + nct.cdf(-edge, 4, shift))
    assert power_of(0.0, 0.01, 5) == pytest.approx(0.05)


@given(st.floats(1e-6, 10), st.integers(2, 60))
def test_what_is_visible_is_found_with_the_stated_power(sd: float, pairs: int) -> None:
    difference = visible_difference(sd, pairs)
    assert difference is not None
    assert power_of(difference, sd, pairs) == pytest.approx(POWER, abs=1e-6)
    needed = pairs_needed(difference, sd)
    assert needed is not None
    assert needed <= pairs + 1


def test_a_draw_finds_the_visible_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    difference = visible_difference(1.0, 5)
    assert difference is not None
    sample = rng.normal(difference, 1.0, (20_000, 5))
    statistic = sample.mean(axis=1) / sample.std(axis=1, ddof=1) * math.sqrt(5)
    assert (np.abs(statistic) > t.ppf(0.975, 4)).mean() == pytest.approx(POWER, abs=0.015)


def test_what_is_not_known_has_no_figure() -> None:
    assert visible_difference(None, 1) is None
    assert pairs_needed(0.01, None) is None
    assert pairs_needed(1e-9, 1.0) is None
    assert visible_difference(0.0, 3) == 0.0
