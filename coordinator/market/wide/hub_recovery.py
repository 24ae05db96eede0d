"""Pairs from a hub's totals: who gives to whom, O(N log N).

Any filling is optimal, since (D0)-(D8) see only each node's totals (hub.py). This one lays supplies and demands end to
end in node order and cuts both at every boundary (the north-west corner rule): at most 2 N - 1 flows, and no node
is split more than needed.
"""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats, Ints
from coordinator.market.pairs import Moves, Pairs, Transfers, no_transfers

_NOTHING = 1e-12
"""Share of a slot's trade below which a flow is rounding."""


def fill(given: Floats, taken: Floats) -> Transfers:
    """Amounts between pairs, never a node with itself; both sides (N,) in the hub's units."""
    total = min(float(given.sum()), float(taken.sum()))
    if total <= 0.0:
        return no_transfers()
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
    return Pairs(source[real], target[real], amount[real])


def fill_whole(given: Ints, taken: Ints) -> Moves:
    """Likewise for whole numbers of the same sum. No node may give and take."""
    supply, demand = np.cumsum(given), np.cumsum(taken)
    ends = np.union1d(supply[given > 0], demand[taken > 0])
    return Pairs(np.searchsorted(supply, ends), np.searchsorted(demand, ends), np.diff(ends, prepend=0))
