"""Symmetric banded matrices of many nodes at once, as L D L': column by column, the nodes of a block side by side."""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats


class Banded:
    """Factors of n matrices of S rows whose entries lie at most b rows below the diagonal.

    ``columns`` (S, b + 1, n): entry (i + j, i) at [i, j], zero beyond the last row. It is overwritten."""

    def __init__(self, columns: Floats) -> None:
        self._size, self._below = len(columns), columns
        self.diagonal = np.empty((self._size, columns.shape[2]))
        """(S, n) D."""
        for i in range(self._size):
            reach = self._reach(i)
            pivot = columns[i, 0]
            self.diagonal[i] = pivot
            raw = columns[i, 1 : reach + 1]
            factor = raw / pivot
            for k in range(reach):
                columns[i + 1 + k, : reach - k] -= factor[k] * raw[k:]
            columns[i, 1 : reach + 1] = factor

    def _reach(self, row: int) -> int:
        """Rows below ``row`` that it meets."""
        return min(self._below.shape[1] - 1, self._size - 1 - row)

    def factors(self, row: int) -> Floats:
        """(r, n) entries of L below the diagonal, in column ``row``."""
        return self._below[row, 1 : self._reach(row) + 1]

    def solve(self, right: Floats) -> Floats:
        """(S, n) solution for (S, n) ``right``."""
        out = right.copy()
        for i in range(self._size):
            factor = self.factors(i)
            out[i + 1 : i + 1 + len(factor)] -= factor * out[i]
        out /= self.diagonal
        for i in range(self._size - 2, -1, -1):
            factor = self.factors(i)
            out[i] -= np.einsum("jn,jn->n", factor, out[i + 1 : i + 1 + len(factor)])
        return out
