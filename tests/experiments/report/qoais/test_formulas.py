"""Formulas of indicators against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from experiments.report.qoais import formulas


def test_jains_index_by_hand() -> None:
    assert formulas.jain([1, 1, 1, 1]) == 1.0
    assert formulas.jain([1, 0, 0, 0]) == 0.25
    assert formulas.jain([1, 2]) == pytest.approx(9 / 10)
    assert formulas.jain([0, 0]) is None


def test_entropy_and_balance_by_hand() -> None:
    assert formulas.entropy_bits([1, 1, 1, 1]) == 2.0
    assert formulas.entropy_bits([5, 0]) == 0.0
    assert formulas.balance([1, 1, 0, 0]) == 0.5
    assert formulas.balance([3]) is None


def test_jensen_shannon_by_hand() -> None:
    assert formulas.jensen_shannon_bits([1, 1], [10, 10]) == 0.0
    assert formulas.jensen_shannon_bits([1, 0], [0, 1]) == pytest.approx(1.0)


@given(
    st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any),
    st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any),
)
def test_jensen_shannon_is_symmetric_and_bounded(first: list[int], second: list[int]) -> None:
    value = formulas.jensen_shannon_bits(first, second)
    assert 0.0 <= value <= 1.0 + 1e-12
    assert value == pytest.approx(formulas.jensen_shannon_bits(second, first))


def test_effective_dimension_counts_independent_directions() -> None:
    square = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    assert formulas.effective_dimension(square) == pytest.approx(2.0)
    assert formulas.effective_dimension(square[:, :1] * np.ones(5)) == pytest.approx(1.0)
    assert formulas.effective_dimension(np.ones((4, 3))) == 0.0


def test_rank_correlation_by_hand() -> None:
    assert formulas.rank_correlation([1, 2, 9], [0.1, 0.2, 0.3]) == pytest.approx(1.0)
    assert formulas.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert formulas.rank_correlation([1, 2], [1, 2]) is None
    assert formulas.rank_correlation([1, 1, 1], [1, 2, 3]) is None
    # Ranks 1, 2.5, 2.5, 4 and 2, 1, 3, 4: covariance 3 / 3, variances 4.5 / 3 and 5 / 3.
    assert formulas.rank_correlation([1, 5, 5, 7], [2, 1, 3, 4]) == pytest.approx(3.0 / np.sqrt(4.5 * 5.0))


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-9, 9)), min_size=3, max_size=30))
def test_rank_correlation_is_that_of_scipy(pairs: list[tuple[int, float]]) -> None:
    first, second = (list(values) for values in zip(*pairs, strict=True))
    found = formulas.rank_correlation(first, second)
    assert found is None or found == spearmanr(first, second).statistic


def test_reweighted_accuracy_by_hand() -> None:
    recall = np.array([1.0, 0.5, np.nan])
    assert formulas.reweighted_accuracy(recall, [3, 1, 0]) == pytest.approx(0.875)
    assert formulas.reweighted_accuracy(recall, [3, 1, 1]) is None
