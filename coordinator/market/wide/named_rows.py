"""A symmetric matrix of every node of a block, whose rows are known by name, and Gaussian elimination by name.

A row's name is an equation and the slots left to the deadline; its entry against another row is a (T, n) array: slot by
slot, node by node. Rows that couple slots are not eliminated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.block import Block

Key = tuple[str, int]
ENERGY: Key = ("energy", 0)
WORK: Key = ("work", 0)
STORE: Key = ("store", 0)
TIME: Key = ("time", 0)
DEMAND: Key = ("demand", 0)
BUS: Key = ("bus", 0)


@dataclass(frozen=True, slots=True)
class Pivot:
    """An eliminated row: its diagonal, and the factors by which it went into the rows it met."""

    key: Key
    diagonal: Floats
    factors: list[tuple[Key, Floats]]


class NamedRows:
    """Entries by pair of names; a pair that was never put is zero."""

    def __init__(self, block: Block) -> None:
        self._shape = (block.slots, block.nodes)
        self._entries: dict[tuple[Key, Key], Floats] = {}
        self._neighbours: dict[Key, list[Key]] = {}

    def put(self, a: Key, b: Key, values: Floats) -> None:
        """Add ``values`` to the entries of rows ``a`` and ``b``. The array is kept, and changed by later calls."""
        pair = (a, b) if a <= b else (b, a)
        if pair in self._entries:
            self._entries[pair] += values
            return
        self._entries[pair] = values
        self._neighbours.setdefault(a, []).append(b)
        if a != b:
            self._neighbours.setdefault(b, []).append(a)

    def entry(self, a: Key, b: Key) -> Floats:
        """(T, n) entries of rows ``a`` and ``b``."""
        found = self._entries.get((a, b) if a <= b else (b, a))
        return np.zeros(self._shape) if found is None else found

    def __iter__(self) -> Iterator[tuple[Key, Key, Floats]]:
        """Every pair of rows that meet, with their entries."""
        for (a, b), values in self._entries.items():
            yield a, b, values

    def eliminate(self, key: Key) -> Pivot:
        """Take row ``key`` out of the matrix: what is left is the Schur complement."""
        diagonal = self._entries.pop((key, key))
        diagonal += diagonal == 0.0  # an empty row: nothing hangs on it
        neighbours = [other for other in self._neighbours.pop(key) if other != key]
        factors: list[tuple[Key, Floats]] = []
        raw = []
        for other in neighbours:
            value = self._entries.pop((key, other) if key <= other else (other, key))
            self._neighbours[other].remove(key)
            raw.append(value)
            factors.append((other, value / diagonal))
        for index, (other, factor) in enumerate(factors):
            for later in range(index, len(neighbours)):
                self.put(other, neighbours[later], -factor * raw[later])
        return Pivot(key, diagonal, factors)
