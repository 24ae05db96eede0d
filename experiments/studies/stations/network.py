"""Cells and their neighbours: who covers whose area, and who carries whose traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from coordinator.market.fleet import Bools, Ints

_ADJACENT = 1.1
"""Distance between centres, in those of neighbours, up to which cells are neighbours."""


@dataclass(frozen=True)
class Network:
    """N cells. ``neighbours``: (N, N), symmetric, whether two cells overlap. ``needed``: neighbours that must be awake
    so that they cover a sleeping cell's area between them; a cell with fewer neighbours never sleeps."""

    neighbours: Bools
    needed: int

    def __post_init__(self) -> None:
        near = self.neighbours
        if near.ndim != 2 or near.shape[0] != near.shape[1] or (near != near.T).any() or np.diag(near).any():
            raise ValueError("neighbours is no square, symmetric matrix without its diagonal")
        if self.needed < 1:
            raise ValueError(f"needed is {self.needed}; allowed is 1 or more neighbours awake")

    def covers(self, awake: Bools) -> bool:
        """Whether the cells that are awake cover all areas."""
        around = (self.neighbours & awake[None, :]).sum(axis=1)
        return bool((awake | (around >= self.needed)).all())

    def route(self, awake: Bools, offered: Ints, capacity: Ints) -> NDArray[np.int64] | None:
        """(N, N) traffic of sleeping cells by the neighbour that carries it; None where neighbours cannot carry all.

        Awake cells carry their own traffic first. ``offered`` and ``capacity``: (N,), in whole units of traffic."""
        n = len(awake)
        from_ = np.where(awake, 0, offered)
        spare = np.where(awake, np.maximum(capacity - offered, 0), 0)
        moved = np.zeros((n, n), dtype=np.int64)
        if not from_.any():
            return moved
        # Source 0, sleeping cells 1..N, awake cells N + 1..2N, sink 2N + 1.
        near = self.neighbours & ~awake[:, None] & awake[None, :]
        pairs, many = np.nonzero(near)[1], int(from_.sum())
        columns = np.concatenate([1 + np.arange(n), 1 + n + pairs, np.full(n, 2 * n + 1)])
        most = np.concatenate([from_, np.full(len(pairs), many), spare]).astype(np.int32)
        of_row = np.concatenate([[0, n], near.sum(axis=1), np.ones(n, int), [0]])
        graph = sparse.csr_matrix((most, columns, np.cumsum(of_row)), shape=(2 * n + 2, 2 * n + 2))
        found = maximum_flow(graph, 0, 2 * n + 1)
        if found.flow_value < many:
            return None
        flow = found.flow.toarray()
        moved[:] = np.maximum(flow[1 : n + 1, n + 1 : 2 * n + 1], 0)
        return moved


def hexagons(rings: int) -> Bools:
    """(N, N) neighbours of a cell with ``rings`` rings of cells around it: 7 cells for one ring, 19 for two."""
    places = [
        (q + r / 2.0, r * np.sqrt(3.0) / 2.0)
        for q in range(-rings, rings + 1)
        for r in range(-rings, rings + 1)
        if abs(q + r) <= rings
    ]
    at = np.array(places)
    apart = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    return np.asarray((apart < _ADJACENT) & (apart > 0))
