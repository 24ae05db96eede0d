"""Rows that couple slots, solved within each node once the rows of a slot are eliminated.

Where work may not wait that is the battery alone: a chain of slots (``BatteryChain``). Where it may, battery and
deadline classes of a node are coupled: one banded matrix per node (``WaitingNodes``). Both know how the rest of the
block meets the two hubs, and give the block's part of S:

    S_part = H_hh - H' M^-1 H
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from coordinator.market.fleet import Floats, Ints
from coordinator.market.wide.banded import Banded
from coordinator.market.wide.block import Block
from coordinator.market.wide.named_rows import ENERGY, STORE, WORK, Key, NamedRows
from coordinator.market.wide.normal_matrix import NormalMatrix

NO_HUB = np.zeros((0, 0))


class BetweenSlots(Protocol):
    """``own_hubs``: nodes have hubs of their own, which are eliminated already; nothing meets a common one."""

    schur: Floats
    """(2 T, 2 T) of the common hubs; empty where nodes have their own."""

    def solve(self, right: dict[Key, Floats], done: Floats, cap: Floats) -> Floats:
        """M^-1 r."""
        ...

    def to_hub(self, inner: Floats) -> Floats:
        """H' M^-1 r, from what ``solve`` gave."""
        ...

    def step(self, inner: Floats, hub: Floats | None) -> dict[str, Floats]:
        """Steps of the rows by equation, given the step of the hub prices: M^-1 (r - H dhub)."""
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

    def solve(self, right: dict[Key, Floats], done: Floats, cap: Floats) -> Floats:
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

    def step(self, inner: Floats, hub: Floats | None) -> dict[str, Floats]:
        if hub is None:
            return {"store": inner}
        energy, work = hub[: self._slots, None], hub[self._slots :, None]
        return {"store": inner - self._solve(self._to_energy * energy + self._to_work * work)}


class WaitingNodes:
    """(D3), (D4) and (D5) of each node: a class of work meets the slots of its window and the classes that share one
    with it, so that in the order of slots the matrix is banded. Row 3 k is (D4) of class k, 3 k + 1 (D5), 3 k + 2 the
    store of slot k."""

    def __init__(self, block: Block, matrix: NormalMatrix, own_hubs: bool) -> None:
        self._block = block
        slots, classes = block.slots, block.classes
        self._done, self._cap = 3 * np.arange(classes), 3 * np.arange(classes) + 1
        self._store = 3 * np.arange(slots) + 2
        self._size = max(3 * classes - 1, 3 * slots)
        place: dict[Key, Ints] = {STORE: self._store}
        for left in range(block.window):
            place["done", left] = self._done[left : left + slots]
            place["cap", left] = self._cap[left : left + slots]
        self._factors = Banded(self._inner(matrix, place))
        self._hub = self._to_hubs(matrix.rows, place)
        self.schur = NO_HUB
        if not own_hubs:
            self.schur = with_hub_diagonals(self._hub_products(), matrix.rows)

    def _inner(self, matrix: NormalMatrix, place: dict[Key, Ints]) -> Floats:
        """(S, b + 1, n) columns of a node's own rows; a small value is added to the diagonal, and 1 where a row is
        empty, so that they have factors."""
        block = self._block
        out = np.zeros((self._size, 3 * block.window - 1, block.nodes))
        out[self._done, 0] = matrix.class_diagonal
        out[self._cap, 0] = matrix.cap_diagonal
        out[self._store[:-1], 3] += matrix.next_store
        for a, b, values in matrix.rows:
            if a in place and b in place:
                first, second = np.minimum(place[a], place[b]), np.maximum(place[a], place[b])
                out[first, second - first] += values
        diagonal = out[:, 0]
        diagonal *= 1.0 + 1e-13
        diagonal += diagonal == 0.0
        return out

    def _to_hubs(self, rows: NamedRows, place: dict[Key, Ints]) -> list[tuple[int, Ints, Floats]]:
        """Of each of a node's own rows that meets a hub: which, 0 energy and 1 work; places by slot, and entries."""
        found = []
        for a, b, values in rows:
            if (a in place) != (b in place):
                inner, outer = (a, b) if a in place else (b, a)
                found.append((int(outer == WORK), place[inner], values))
        return found

    def _hub_products(self) -> Floats:
        """-H' M^-1 H, summed over the nodes: with Z = L^-1 H, of which row i is zero for the slots after i's.

        Hubs are in the order of slots here, energy and work of a slot in turn."""
        slots, nodes = self._block.slots, self._block.nodes
        rows = np.zeros((self._size, 2 * slots, nodes))
        for side, places, values in self._hub:
            rows[places, 2 * np.arange(slots) + side] += values
        product = np.zeros((2 * slots, 2 * slots))
        for i, diagonal in enumerate(self._factors.diagonal):
            known = 2 * min(i // 3 + 1, slots)
            row = rows[i, :known]
            product[:known, :known] -= (row / diagonal) @ row.T
            for k, factor in enumerate(self._factors.factors(i), i + 1):
                rows[k, :known] -= factor * row
        by_side = np.concatenate([np.arange(0, 2 * slots, 2), np.arange(1, 2 * slots, 2)])
        product = 0.5 * (product + product.T)
        return product[np.ix_(by_side, by_side)]

    def solve(self, right: dict[Key, Floats], done: Floats, cap: Floats) -> Floats:
        inner = np.zeros((self._size, self._block.nodes))
        inner[self._done], inner[self._cap], inner[self._store] = done, cap, right[STORE]
        return self._factors.solve(inner)

    def to_hub(self, inner: Floats) -> Floats:
        out = np.zeros((2, self._block.slots))
        for side, places, values in self._hub:
            out[side] += np.einsum("tn,tn->t", values, inner[places])
        return out.ravel()

    def step(self, inner: Floats, hub: Floats | None) -> dict[str, Floats]:
        if hub is not None:
            moved, prices = np.zeros_like(inner), hub.reshape(2, -1)
            for side, places, values in self._hub:
                moved[places] += values * prices[side][:, None]
            inner = inner - self._factors.solve(moved)
        return {"store": inner[self._store], "done": inner[self._done], "cap": inner[self._cap]}


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
