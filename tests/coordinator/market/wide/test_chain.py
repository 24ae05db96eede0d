"""Matrices in which every slot meets the next, against dense ones."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.wide.chain import Chain


@pytest.mark.parametrize(("slots", "rows"), [(1, 1), (1, 3), (4, 1), (5, 2), (3, 4)])
def test_solves_and_multiplies_as_dense_matrices_do(slots: int, rows: int) -> None:
    rng, nodes, size = np.random.default_rng(slots), 3, slots * rows
    within = rng.uniform(-1, 1, (slots, rows, rows, nodes))
    within = 0.5 * (within + within.transpose(0, 2, 1, 3))
    within += (rows + 2.0) * np.eye(rows)[:, :, None]
    after = rng.uniform(-1, 1, (slots - 1, rows, nodes))
    dense = np.zeros((nodes, size, size))
    for t in range(slots):
        here = slice(t * rows, (t + 1) * rows)
        dense[:, here, here] = within[t].transpose(2, 0, 1)
        if t + 1 < slots:
            for i in range(rows):
                dense[:, t * rows + i, (t + 1) * rows + i] = after[t, i]
                dense[:, (t + 1) * rows + i, t * rows + i] = after[t, i]
    right = rng.uniform(-1, 1, (slots, rows, nodes))
    given = right.copy()
    chain = Chain(within, after)
    flat = right.reshape(size, nodes).T[:, :, None]
    solved = np.linalg.solve(dense, flat)[:, :, 0].T.reshape(slots, rows, nodes)
    np.testing.assert_allclose(chain.solve(right), solved, rtol=1e-12, atol=1e-14)
    assert right.tolist() == given.tolist()

    columns = rng.uniform(-1, 1, (slots, 2, rows, nodes))
    wide = np.zeros((nodes, size, 2 * slots))
    for t in range(slots):
        wide[:, t * rows : (t + 1) * rows, 2 * t : 2 * t + 2] = columns[t].transpose(2, 1, 0)
    products = (wide.transpose(0, 2, 1) @ np.linalg.solve(dense, wide)).sum(axis=0)
    found = chain.products(columns).reshape(2 * slots, 2 * slots)
    np.testing.assert_allclose(found, products, rtol=1e-12, atol=1e-13)
