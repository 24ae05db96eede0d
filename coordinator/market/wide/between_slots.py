"""Rows that couple slots, solved within each node once the rows of a slot are eliminated.

Where work may not wait that is the battery alone: a chain of slots (``BatteryChain``). Where it may, the battery and
the work that waits: a chain of blocks (``StoreAndWork``). Both know how the rest of the block meets the two hubs, and
give the block's part of S:

    S_part = H_hh - H' M^-1 H
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.block import Block
from coordinator.market.wide.chain import Chain
from coordinator.market.wide.named_rows import ENERGY, STORE, WORK, Key, NamedRows
from coordinator.market.wide.normal_matrix import NormalMatrix

NO_HUB = np.zeros((0, 0))


class BetweenSlots(Protocol):
    """``own_hubs``: nodes have hubs of their own, which are eliminated already; nothing meets a common one."""

    schur: Floats
    """(2 T, 2 T) of the common hubs; empty where nodes have their own."""

    def solve(self, right: dict[Key, Floats]) -> Floats:
        """M^-1 r."""
        ...

    def to_hub(self, inner: Floats) -> Floats:
        """H' M^-1 r, from what ``solve`` gave."""
        ...

    def step(self, inner: Floats, hub: Floats | None) -> dict[Key, Floats]:
        """Steps of the rows by name, given the step of the hub prices: M^-1 (r - H dhub)."""
        ...


class BatteryChain:
    """(D3) as L D L' per node; columns of the inverse by Takahashi's recurrence."""

    def __init__(self, block: Block, matrix: NormalMatrix, own_hubs: bool) -> None:
        self._slots, self._next = block.slots, matrix.next_store
        self._factor(matrix.rows.entry(STORE, STORE))
        self.schur = NO_HUB
        if not own_hubs:
            self._to_energy, self._to_work = matrix.rows.entry(STORE, ENERGY), matrix.rows.entry(STORE, WORK)
            self.schur = with_hub_diagonals(_symmetric(self._hub_products(), self._slots), matrix.rows)

    def _factor(self, diagonal: Floats) -> None:
        self._diagonal = np.empty_like(diagonal)
        self._below = np.empty_like(self._next)
        self._diagonal[0] = diagonal[0]
        for t in range(self._slots):
            row = self._diagonal[t]
            row += row == 0.0
            if t + 1 < self._slots:
                np.divide(self._next[t], row, out=self._below[t])
                np.subtract(diagonal[t + 1], self._below[t] * self._next[t], out=self._diagonal[t + 1])

    def _hub_products(self) -> Floats:
        """-H' M^-1 H for s >= t of each T x T quarter, summed over the nodes."""
        slots, a, b = self._slots, self._to_energy, self._to_work
        schur = np.zeros((2 * slots, 2 * slots))
        both = np.concatenate([a, b]).reshape(2, slots, -1)
        inverse = np.empty_like(self._diagonal)
        for t in range(slots - 1, -1, -1):
            self._extend_inverse(inverse, t)
            for side in range(2):
                weighted = inverse[t:] * both[side, t]
                schur[side * slots + t, t:slots] = -np.einsum("tn,tn->t", weighted, a[t:])
                schur[side * slots + t, slots + t :] = -np.einsum("tn,tn->t", weighted, b[t:])
        return schur

    def _extend_inverse(self, inverse: Floats, t: int) -> None:
        """Row t of the symmetric inverse, columns t..T-1, in place of row t + 1."""
        if t == self._slots - 1:
            inverse[t] = 1.0 / self._diagonal[t]
            return
        below, factor = inverse[t + 1 :], self._below[t]
        corner = 1.0 / self._diagonal[t] + factor * factor * below[0]
        np.multiply(below, -factor, out=below)
        inverse[t] = corner

    def solve(self, right: dict[Key, Floats]) -> Floats:
        return self._solve(right[STORE])

    def _solve(self, right: Floats) -> Floats:
        out = right.copy()
        for t in range(self._slots - 1):
            out[t + 1] -= self._below[t] * out[t]
        out /= self._diagonal
        for t in range(self._slots - 2, -1, -1):
            out[t] -= self._below[t] * out[t + 1]
        return out

    def to_hub(self, inner: Floats) -> Floats:
        return np.concatenate(
            [np.einsum("tn,tn->t", part, inner) for part in (self._to_energy, self._to_work)]
        )

    def step(self, inner: Floats, hub: Floats | None) -> dict[Key, Floats]:
        if hub is None:
            return {STORE: inner}
        energy, work = hub[: self._slots, None], hub[self._slots :, None]
        return {STORE: inner - self._solve(self._to_energy * energy + self._to_work * work)}


class StoreAndWork:
    """(D3) and the flows of (D4) of each node: what is stored and what waits meet the same of the next slot alone."""

    def __init__(self, block: Block, matrix: NormalMatrix, own_hubs: bool) -> None:
        self._slots = block.slots
        self._keys: list[Key] = [STORE, *(("done", flow) for flow in range(block.flows))]
        self._chain = Chain(self._within(matrix.rows), self._after(matrix))
        self.schur = NO_HUB
        if not own_hubs:
            to_hub = [[matrix.rows.entry(key, hub) for key in self._keys] for hub in (ENERGY, WORK)]
            self._hub = np.ascontiguousarray(np.array(to_hub).transpose(2, 0, 1, 3))
            products = self._chain.products(self._hub).transpose(1, 0, 3, 2)
            self.schur = with_hub_diagonals(-products.reshape(2 * self._slots, -1), matrix.rows)

    def _within(self, rows: NamedRows) -> Floats:
        """(T, m, m, n) of a slot's rows; a small value is added to the diagonal, and 1 where a row is empty, so that
        they have inverses."""
        entries = np.array([[rows.entry(a, b) for b in self._keys] for a in self._keys])
        out = np.ascontiguousarray(entries.transpose(2, 0, 1, 3))
        for i in range(len(self._keys)):
            out[:, i, i] *= 1.0 + 1e-13
            out[:, i, i] += out[:, i, i] == 0.0
        return out

    def _after(self, matrix: NormalMatrix) -> Floats:
        return np.stack([matrix.next_store, *matrix.next_done], axis=1)

    def solve(self, right: dict[Key, Floats]) -> Floats:
        return self._chain.solve(np.stack([right[key] for key in self._keys], axis=1))

    def to_hub(self, inner: Floats) -> Floats:
        return np.einsum("tdmn,tmn->dt", self._hub, inner).ravel()

    def step(self, inner: Floats, hub: Floats | None) -> dict[Key, Floats]:
        if hub is not None:
            prices = hub.reshape(2, -1)
            moved = self._hub[:, 0] * prices[0][:, None, None] + self._hub[:, 1] * prices[1][:, None, None]
            inner = inner - self._chain.solve(moved)
        return {key: inner[:, i] for i, key in enumerate(self._keys)}


def _symmetric(upper: Floats, slots: int) -> Floats:
    """Each T x T quarter was filled for s >= t; the inverse is symmetric in s and t."""
    out = np.zeros_like(upper)
    for i in range(2):
        for j in range(2):
            mine, other = _quarter(upper, i, j, slots), _quarter(upper, j, i, slots)
            _quarter(out, i, j, slots)[:] = np.triu(mine) + np.triu(other, 1).T
    return out


def _quarter(matrix: Floats, i: int, j: int, slots: int) -> Floats:
    return matrix[i * slots : (i + 1) * slots, j * slots : (j + 1) * slots]


def with_hub_diagonals(schur: Floats, rows: NamedRows) -> Floats:
    """H_hh added: what the hubs of a slot have in common, summed over the nodes."""
    slots = schur.shape[0] // 2
    index = np.arange(slots)
    for a, b, row, column in (
        (ENERGY, ENERGY, 0, 0),
        (WORK, WORK, slots, slots),
        (ENERGY, WORK, 0, slots),
        (WORK, ENERGY, slots, 0),
    ):
        schur[row + index, column + index] += rows.entry(a, b).sum(axis=1)
    return schur
