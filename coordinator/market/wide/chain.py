"""Symmetric matrices of many nodes at once in which every slot meets the next, by blocks of m rows, row by row alone.

Block (t, t + 1) is diagonal: a store meets itself of the next slot, and nothing else of it. The nodes of a block stand
side by side, so that every operation is one numpy call for all of them."""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats


class Chain:
    """Factors of n matrices of T m rows: the inverses of the blocks that elimination leaves, slot after slot."""

    def __init__(self, within: Floats, after: Floats) -> None:
        """``within`` (T, m, m, n): the blocks of the slots, overwritten; ``after`` (T-1, m, n): of each row, its entry
        with itself of the next slot."""
        self._inverse, self._after = within, after
        self._slots = len(within)
        for t in range(self._slots):
            _invert(within[t])
            if t + 1 < self._slots:
                within[t + 1] -= after[t][:, None] * within[t] * after[t]

    def solve(self, right: Floats) -> Floats:
        """(T, m, n) solution for (T, m, n) ``right``."""
        inverse, after, out = self._inverse, self._after, right.copy()
        for t in range(self._slots - 1):
            out[t + 1] -= after[t] * np.einsum("ijn,jn->in", inverse[t], out[t])
        out[-1] = np.einsum("ijn,jn->in", inverse[-1], out[-1])
        for t in range(self._slots - 2, -1, -1):
            out[t] = np.einsum("ijn,jn->in", inverse[t], out[t] - after[t] * out[t + 1])
        return out

    def products(self, columns: Floats) -> Floats:
        """C' M^-1 C, summed over the nodes, (T, d, T, d), of d ``columns`` (T, d, m, n) that each slot has for itself.

        Slot t of M^-1 is that of slot t + 1 times what elimination carries over, but for the block of the slot."""
        slots, each, rows, nodes = columns.shape
        out = np.zeros((slots, each, slots, each))
        solved = np.empty_like(columns)  # M^-1 C, rows of slot t, of the columns of slot t and later
        corner = self._inverse[-1]
        for t in range(slots - 1, -1, -1):
            if t + 1 < slots:
                carried = -self._inverse[t] * self._after[t]
                solved[t + 1 :] = np.einsum("ijn,sdjn->sdin", carried, solved[t + 1 :])
                corner = np.einsum("ijn,jkn->ikn", carried, corner)
                corner = self._inverse[t] + np.einsum("ikn,lkn->iln", corner, carried)
            solved[t] = np.einsum("ijn,djn->din", corner, columns[t])
            flat = solved[t:].reshape(-1, rows * nodes) @ columns[t].reshape(each, rows * nodes).T
            out[t, :, t:] = flat.T.reshape(each, slots - t, each)
            out[t:, :, t] = flat.reshape(slots - t, each, each)
        return out


def _invert(matrix: Floats) -> None:
    """(m, m, n) symmetric positive definite matrices into their inverses, in place (Gauss and Jordan)."""
    for k in range(len(matrix)):
        pivot, column = 1.0 / matrix[k, k], matrix[:, k].copy()
        row = matrix[k] * pivot
        matrix -= column[:, None] * row
        matrix[k] = row
        matrix[:, k] = -column * pivot
        matrix[k, k] = pivot
