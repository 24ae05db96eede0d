"""Formulas of indicators against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_reweighted_accuracy_by_hand() -> None:
    recall = np.array([1.0, 0.5, np.nan])
    assert formulas.reweighted_accuracy(recall, [3, 1, 0]) == pytest.approx(0.875)
    assert formulas.reweighted_accuracy(recall, [3, 1, 1]) is None
