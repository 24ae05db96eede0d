"""Amounts between ordered pairs of nodes as coordinates: from, to, amount. Space and time grow with the pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.market.fleet import Bools, Ints

T = TypeVar("T", np.int64, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs(Generic[T]):
    """Pairs in ascending order of (source, target), none twice, none of amount zero. ``Pairs.of`` makes them so."""

    source: Ints
    """(P,) index of the node that gives."""
    target: Ints
    """(P,) index of the node that takes."""
    amount: NDArray[T]
    """(P,)."""

    def __post_init__(self) -> None:
        for name in ("source", "target", "amount"):
            value = getattr(self, name)
            if not (isinstance(value, np.ndarray) and value.ndim == 1 and len(value) == len(self.amount)):
                raise ValueError(
                    f"{name} is {value!r:.60}; allowed are three arrays of one length: source, target, amount"
                )
        for name in ("source", "target"):
            index = getattr(self, name)
            if not np.issubdtype(index.dtype, np.integer) or (index < 0).any():
                raise ValueError(
                    f"{name} holds {index.dtype} from {index.min(initial=0)}; allowed are node indices from 0"
                )
        same, up = self.source[1:] == self.source[:-1], self.source[1:] > self.source[:-1]
        if not (up | (same & (self.target[1:] > self.target[:-1]))).all() or not self.amount.all():
            raise ValueError(
                "pairs are in ascending order of (source, target), none twice, none of amount zero; "
                "make them with Pairs.of(source, target, amount)"
            )

    @classmethod
    def of(cls, source: Ints, target: Ints, amount: NDArray[T]) -> Pairs[T]:
        """Sorted; amounts of one pair are added up in their order, zeros left out."""
        order = np.lexsort((target, source))
        source, target, amount = source[order], target[order], amount[order]
        first = np.ones(len(source), dtype=bool)
        first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
        if not first.all():
            amount = np.add.reduceat(amount, np.flatnonzero(first))
            source, target = source[first], target[first]
        real = amount != 0
        return cls(source[real], target[real], amount[real])

    @classmethod
    def of_matrix(cls, matrix: NDArray[T]) -> Pairs[T]:
        """The entries of an (N, N) matrix that are not zero."""
        source, target = np.nonzero(matrix)
        return cls(source, target, matrix[source, target])

    @property
    def to_itself(self) -> Bools:
        """(P,) pairs of a node with itself."""
        return self.source == self.target

    def __len__(self) -> int:
        """P."""
        return len(self.amount)

    def given(self, nodes: int) -> NDArray[T]:
        """(N,) sum of what each of ``nodes`` nodes gives."""
        return self._sums(self.source, nodes)

    def taken(self, nodes: int) -> NDArray[T]:
        """(N,) sum of what each of ``nodes`` nodes takes."""
        return self._sums(self.target, nodes)

    def _sums(self, index: Ints, nodes: int) -> NDArray[T]:
        return np.bincount(index, self.amount, minlength=nodes).astype(self.amount.dtype)

    def only(self, wanted: Bools) -> Pairs[T]:
        """The pairs of the mask ``wanted`` (P,)."""
        return Pairs(self.source[wanted], self.target[wanted], self.amount[wanted])

    def with_amounts(self, amount: NDArray[T]) -> Pairs[T]:
        """The same pairs with (P,) other amounts; those that become zero are left out."""
        real = amount != 0
        return Pairs(self.source[real], self.target[real], amount[real])

    def rows(self) -> Iterator[tuple[int, int, Any]]:
        """(source, target, amount) of each pair as plain numbers."""
        return zip(self.source.tolist(), self.target.tolist(), self.amount.tolist(), strict=True)

    def matrix(self, nodes: int) -> NDArray[T]:
        """(N, N), for small fleets."""
        out = np.zeros((nodes, nodes), dtype=self.amount.dtype)
        out[self.source, self.target] = self.amount
        return out

    def equals(self, other: Pairs[T]) -> bool:
        """Whether both hold the same pairs and amounts, to the bit."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("source", "target", "amount")
        )


Moves = Pairs[np.int64]
"""Batches from their owner to another node that runs them."""
Transfers = Pairs[np.float64]
"""J that leave a donor's green bus for a recipient."""


def no_moves() -> Moves:
    """Every batch runs at home."""
    empty = np.zeros(0, dtype=np.int64)
    return Pairs(empty, empty, empty)


def no_transfers() -> Transfers:
    """No energy is sent."""
    empty = np.zeros(0, dtype=np.int64)
    return Pairs(empty, empty, np.zeros(0))
