"""Starting point for many nodes: the hub prices of a sample, and every node on its central path at these prices.

The hub prices of a few hundred nodes are close to those of all, since prices are averages. A sample is solved first;
from one of its steps the prices and the barrier are taken, and every node of the fleet is brought, on its own and
with step lengths of its own, to where that barrier and those prices would have it (a point of its central path). Only
then do the joint steps begin. This changes where they begin and nothing else: bound and plan are proven as always.
"""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.kkt import Eliminated
from coordinator.market.wide.state import State

_RIGID = 1e30
"""Give of hubs whose prices are held."""
_PROXIMITY = 1e-8
_STEPS = 14
_REACH = 0.9
_SHRINK = 0.15
"""Least ratio of a node's barrier from one step to the next."""


def settle(state: State, barrier: float) -> None:
    """Bring a block's nodes to the barrier ``barrier`` (scaled units) at the state's hub prices, in place."""
    block, nb = state.block, state.block.bounded
    free = block.free
    x, s, z, w, y = state.x, state.s, state.z, state.w, state.y
    prices = state.hub_prices
    give = np.full((2 * block.slots, block.nodes), _RIGID)
    nothing = np.zeros((2 * block.slots, block.nodes))
    pairs = free.sum(axis=0) + free[:nb].sum(axis=0)
    for _ in range(_STEPS):
        shadow = block.cost - block.transposed(y, prices)
        rows, _ = block.times(x)
        gap_rows = block.right - rows
        centre = ((x * z).sum(axis=0) + (s * w).sum(axis=0)) / pairs
        if float(centre.max()) < 1.5 * barrier and float(np.abs(gap_rows).max()) < 1e-3:
            break
        target = np.maximum(barrier, _SHRINK * centre)
        recip = free / (x + block.fixed)
        pull, push = z * recip, w / s
        curvature = pull + _PROXIMITY
        curvature[:nb] += push
        theta = free / (curvature + block.fixed)
        factors = Eliminated(block, theta, give)
        gradient = shadow - target * recip
        gradient[:nb] += target * free[:nb] / s
        own, _ = block.times(theta * gradient)
        partial, _ = factors.forward(gap_rows + own, nothing)
        dy, _ = factors.backward(partial, None)
        dx = theta * (block.transposed(dy, np.zeros(2 * block.slots)) - gradient)
        dz = target * recip - z * free - pull * dx
        dw = target * free[:nb] / s - w + push * dx[:nb]
        primal = _longest(np.maximum((-dx * recip).max(axis=0), (dx[:nb] / s).max(axis=0)))
        dual = _longest(np.maximum((-dz / z).max(axis=0), (-dw / (w + (w == 0.0))).max(axis=0)))
        x, s = x + primal * dx, s - primal * dx[:nb]
        z, w, y = z + dual * dz, w + dual * dw, y + dual * dy
    state.x, state.s, state.z, state.w, state.y = x, s, z, w, y


def _longest(ratio: Floats) -> Floats:
    return _REACH / np.maximum(ratio, _REACH)
