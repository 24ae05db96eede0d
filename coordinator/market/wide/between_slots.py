"""Rows that couple slots, solved within each node once the rows of a slot are eliminated.

Where work may not wait that is the battery alone: a chain of slots (``BatteryChain``). Where it may, battery and
deadline classes of a node are coupled: one small dense matrix per node (``WaitingNodes``). Both know how the rest of
the block meets the two hubs, and give the block's part of S:

    S_part = H_hh - H' M^-1 H
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from coordinator.market.fleet import Floats, Ints
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
    """(D3), (D4) and (D5) of each node as one small matrix, inverted."""

    def __init__(self, block: Block, matrix: NormalMatrix, own_hubs: bool) -> None:
        self._block = block
        slots, classes = block.slots, block.classes
        place: dict[Key, Ints] = {STORE: np.arange(slots)}
        for left in range(block.window):
            place["done", left] = slots + left + np.arange(slots)
            place["cap", left] = slots + classes + left + np.arange(slots)
        self._inverse = np.linalg.inv(_regular(self._inner(matrix, place)))
        self._hub = self._to_hubs(matrix.rows, place)
        self.schur = NO_HUB
        if not own_hubs:
            weighted = self._inverse @ self._hub
            schur = -np.tensordot(self._hub, weighted, axes=([0, 1], [0, 1]))
            self.schur = with_hub_diagonals(0.5 * (schur + schur.T), matrix.rows)

    def _inner(self, matrix: NormalMatrix, place: dict[Key, Ints]) -> Floats:
        """(n, S, S) entries of a node's own rows."""
        slots, classes = self._block.slots, self._block.classes
        index, every = np.arange(slots), np.arange(classes)
        size = slots + 2 * classes
        out = np.zeros((self._block.nodes, size, size))
        out[:, slots + every, slots + every] = matrix.class_diagonal.T
        out[:, slots + classes + every, slots + classes + every] = matrix.cap_diagonal.T
        out[:, index[1:], index[:-1]] += matrix.next_store.T
        out[:, index[:-1], index[1:]] += matrix.next_store.T
        for a, b, values in matrix.rows:
            if a in place and b in place:
                out[:, place[a], place[b]] += values.T
                if a != b:
                    out[:, place[b], place[a]] += values.T
        return out

    def _to_hubs(self, rows: NamedRows, place: dict[Key, Ints]) -> Floats:
        """(n, S, 2 T) entries of a node's own rows against the hubs."""
        slots = self._block.slots
        out = np.zeros((self._block.nodes, slots + 2 * self._block.classes, 2 * slots))
        for a, b, values in rows:
            if (a in place) != (b in place):
                inner, outer = (a, b) if a in place else (b, a)
                out[:, place[inner], np.arange(slots) + (slots if outer == WORK else 0)] += values.T
        return out

    def solve(self, right: dict[Key, Floats], done: Floats, cap: Floats) -> Floats:
        inner = np.concatenate([right[STORE], done, cap]).T[:, :, None]
        return np.asarray((self._inverse @ inner)[:, :, 0].T)

    def to_hub(self, inner: Floats) -> Floats:
        return np.asarray(np.einsum("nih,in->h", self._hub, inner))

    def step(self, inner: Floats, hub: Floats | None) -> dict[str, Floats]:
        if hub is not None:
            inner = inner - np.einsum("nij,nj->in", self._inverse, self._hub @ hub)
        slots, classes = self._block.slots, self._block.classes
        return {
            "store": inner[:slots],
            "done": inner[slots : slots + classes],
            "cap": inner[slots + classes :],
        }


def _regular(matrix: Floats) -> Floats:
    """A small value is added to the diagonal, and 1 where a row is empty, so that the inverse exists."""
    diagonal = np.arange(matrix.shape[1])
    values = matrix[:, diagonal, diagonal]
    matrix[:, diagonal, diagonal] = values * (1.0 + 1e-13) + (values == 0.0)
    return matrix


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
