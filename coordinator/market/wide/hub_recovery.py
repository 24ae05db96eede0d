"""Pairs from a hub's totals: who gives to whom, O(N log N).

Any filling is optimal, since (D0)-(D8) see only each node's totals (hub.py). This one lays supplies and demands end to
end in node order and cuts both at every boundary (the north-west corner rule): at most 2 N - 1 flows, and no node
is split more than needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats, Ints

_NOTHING = 1e-12
"""Share of a slot's trade below which a flow is rounding."""


@dataclass(frozen=True, slots=True)
class Flows:
    """Amounts between pairs in one slot; no pair twice, never a node with itself."""

    source: Ints
    target: Ints
    amount: Floats

    def matrix(self, nodes: int) -> Floats:
        """(N, N), for small fleets."""
        out = np.zeros((nodes, nodes))
        np.add.at(out, (self.source, self.target), self.amount)
        return out


def fill(given: Floats, taken: Floats) -> Flows:
    """Amounts between pairs, by the north-west corner rule; both sides in the hub's units."""
    total = min(float(given.sum()), float(taken.sum()))
    if total <= 0.0:
        empty = np.zeros(0, dtype=np.int64)
        return Flows(empty, empty, np.zeros(0))
    supply, demand = np.cumsum(given), np.cumsum(taken)
    # the two sides differ by rounding only: let both end at the same place
    supply *= total / supply[-1]
    demand *= total / demand[-1]
    ends = np.union1d(supply, demand)
    amount = np.diff(ends, prepend=0.0)
    middle = ends - 0.5 * amount
    source = np.minimum(np.searchsorted(supply, middle), len(given) - 1)
    target = np.minimum(np.searchsorted(demand, middle), len(taken) - 1)
    real = (amount > _NOTHING * total) & (source != target)
    return Flows(source[real], target[real], amount[real])
