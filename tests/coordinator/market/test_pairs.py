"""Amounts between ordered pairs of nodes as coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from coordinator.market.pairs import Pairs, no_moves, no_transfers

whole = st.just(0) | st.integers(-3, 9)
joules = st.just(0.0) | st.just(-0.0) | st.floats(-1e6, 1e6)
sizes = st.integers(1, 9).map(lambda n: (n, n))
matrices = arrays.arrays(np.int64, sizes, elements=whole) | arrays.arrays(np.float64, sizes, elements=joules)


@given(matrices)
def test_a_matrix_comes_back_and_no_zero_is_kept(matrix: Any) -> None:
    pairs: Pairs[Any] = Pairs.of_matrix(matrix)
    assert len(pairs) == np.count_nonzero(matrix)
    back = pairs.matrix(len(matrix))
    assert back.dtype == matrix.dtype
    np.testing.assert_array_equal(back, matrix)
    np.testing.assert_allclose(pairs.given(len(matrix)), matrix.sum(axis=1), rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(pairs.taken(len(matrix)), matrix.sum(axis=0))
    assert pairs.given(len(matrix)).dtype == matrix.dtype


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), whole), max_size=20))
def test_any_order_and_repeats_become_one_sorted_list(rows: list[tuple[int, int, int]]) -> None:
    source, target, amount = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    matrix = np.zeros((6, 6), dtype=np.int64)
    np.add.at(matrix, (source, target), amount)
    pairs = Pairs.of(source, target, amount)
    assert pairs.equals(Pairs.of_matrix(matrix))
    assert list(pairs.rows()) == sorted(pairs.rows())


def test_masks_and_other_amounts_leave_no_zero() -> None:
    pairs = Pairs(np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([2.0, 3.0, 4.0]))
    assert pairs.to_itself.tolist() == [False, False, True]
    assert list(pairs.only(~pairs.to_itself).rows()) == [(0, 1, 2.0), (1, 0, 3.0)]
    assert list(pairs.with_amounts(np.array([0.0, -0.0, 7.0])).rows()) == [(1, 1, 7.0)]
    assert not pairs.equals(pairs.only(~pairs.to_itself))


def test_nothing() -> None:
    assert len(no_moves()) == len(no_transfers()) == 0
    assert no_moves().given(2).tolist() == [0, 0]
    assert no_moves().given(2).dtype == no_moves().matrix(2).dtype == np.int64
    assert no_transfers().taken(2).dtype == np.float64


@pytest.mark.parametrize(
    ("source", "target", "amount", "said"),
    [
        ([1, 0], [0, 1], [1, 1], "ascending order"),
        ([0, 0], [1, 1], [1, 1], "none twice"),
        ([0, 0], [2, 1], [1, 1], "ascending order"),
        ([0], [1], [0], "none of amount zero"),
        ([-1], [1], [1], "source holds int64 from -1; allowed are node indices from 0"),
        ([0.0], [1], [1], "source holds float64 from 0.0; allowed are node indices"),
        ([0, 1], [1], [1, 1], "target is array.*three arrays of one length"),
        ([[0]], [1], [1], "source is array.*three arrays of one length"),
    ],
)
def test_what_are_no_pairs(source: list[Any], target: list[Any], amount: list[Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Pairs(np.array(source), np.array(target), np.array(amount))
    with pytest.raises(ValueError, match="three arrays of one length"):
        Pairs(np.array([0]), np.array([1]), [1])  # type: ignore[arg-type]
