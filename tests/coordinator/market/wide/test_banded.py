"""Banded matrices of many nodes, against dense ones."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.wide.banded import Banded


@pytest.mark.parametrize(("size", "reach"), [(1, 3), (4, 1), (9, 4), (5, 7)])
def test_solves_as_dense_matrices_do(size: int, reach: int) -> None:
    rng, nodes = np.random.default_rng(size), 3
    dense = np.zeros((nodes, size, size))
    columns = np.zeros((size, reach + 1, nodes))
    for i in range(size):
        for j in range(min(reach + 1, size - i)):
            values = rng.uniform(-1, 1, nodes) + (2.0 * reach + 2.0 if j == 0 else 0.0)
            dense[:, i + j, i] = dense[:, i, i + j] = columns[i, j] = values
    right = rng.uniform(-1, 1, (size, nodes))
    expected = np.linalg.solve(dense, right.T[:, :, None])[:, :, 0].T
    factors = Banded(columns)
    np.testing.assert_allclose(factors.solve(right), expected, rtol=1e-12, atol=1e-14)
    # L D L' is the matrix
    lower = np.tile(np.eye(size), (nodes, 1, 1))
    for i in range(size):
        below = factors.factors(i)
        lower[:, i + 1 : i + 1 + len(below), i] = below.T
    again = lower @ (factors.diagonal.T[:, :, None] * lower.transpose(0, 2, 1))
    np.testing.assert_allclose(again, dense, rtol=1e-12, atol=1e-13)
