"""A node's own problem in exchange ADMM: its part of (D0)-(D7), pulled towards an aim for its net trades.

    min f_i(x) + sum_k rho_k / 2 (E x - aim)_k^2          k: energy and work of every slot; E x: net trade with the hubs

A convex quadratic program. Solved by the decomposition's interior point with hubs that give way: p = E x is free at
the price rho (p - aim) + lambda = 0, so the hub rows read  E x + lambda / rho = aim  and stay the node's own. Several
nodes may be solved side by side; they share the arrays and nothing else: step lengths and centring are each node's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.decomposition_block import Block
from coordinator.market.decomposition_kkt import Eliminated
from coordinator.market.decomposition_state import State
from coordinator.market.fleet import Floats

_PROXIMITY = 1e-8
_MOST_STEPS = 60
_REACH = 0.99


class LocalProblemError(ArithmeticError):
    """A local solve did not converge."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Nodes' solutions, scaled units."""

    x: Floats
    """(M, n), see Block."""
    trade: Floats
    """(2 T, n) net trade E x: what a node gives to the energy hub, and sends to the work hub."""


def solve(block: Block, aim: Floats, rho: Floats, tolerance: float = 1e-5) -> Answer:
    """Solve the nodes' problems for their ``aim`` (2 T, n) and weights ``rho`` (2 T, 1), all scaled.

    Raises LocalProblemError when a solve stalls above 1e-4.
    """
    nb, free = block.bounded, block.free
    # a cold start: an interior point gains nothing from the last round's answer, which lies on the boundary
    start = State(block, np.concatenate([np.full(block.slots, 0.6), np.full(block.slots, 0.5)]))
    prices = np.repeat(start.hub_prices[:, None], block.nodes, axis=1)
    x, z, s, w, y = start.x, start.z, start.s, start.w, start.y
    give = np.broadcast_to(1.0 / rho, aim.shape)
    pairs = free.sum(axis=0) + free[:nb].sum(axis=0)
    centre = np.full(block.nodes, np.inf)
    missing = np.inf
    trade = np.zeros_like(aim)
    for _ in range(_MOST_STEPS):
        shadow = block.cost - block.transposed(y, prices)
        rows, trade = block.times(x)
        gap_rows, gap_hubs = block.right - rows, aim - trade - prices * give
        centre = ((x * z).sum(axis=0) + (s * w).sum(axis=0)) / pairs
        missing = max(float(np.abs(gap_rows).max()), float(np.abs(gap_hubs).max()))
        if float(centre.max()) < tolerance and missing < tolerance:
            return Answer(x, trade)
        here = _Here(block, x, s, z, w, gap_rows, gap_hubs, give)
        dx, _, _ = here.direction(shadow)
        dz, dw = -here.pull * dx - z * free, here.push * dx[:nb] - w
        primal, dual = here.lengths(dx, dz, dw)
        lower = ((x + primal * dx) * (z + dual * dz)).sum(axis=0)
        after = (lower + ((s - primal * dx[:nb]) * (w + dual * dw)).sum(axis=0)) / pairs
        target = centre * np.clip(after / centre, 0.0, 1.0) ** 3
        damping = primal * dual
        lower_aim = (target - damping * dx * dz) * here.recip
        upper_aim = (target + damping * dx[:nb] * dw) * free[:nb] / s
        gradient = shadow - lower_aim
        gradient[:nb] += upper_aim
        dx, dy, dprices = here.direction(gradient)
        dz = lower_aim - here.pull * dx - z * free
        dw = upper_aim + here.push * dx[:nb] - w
        primal, dual = here.lengths(dx, dz, dw)
        # the quadratic term ties prices to trades, so that one length serves both sides
        step = np.minimum(primal, dual)
        x, s = x + step * dx, s - step * dx[:nb]
        z, w = z + step * dz, w + step * dw
        y, prices = y + step * dy, prices + step * dprices
    if float(centre.max()) < 1e-4 and missing < 1e-4:
        return Answer(x, trade)
    raise LocalProblemError(
        f"a node's own problem stalled at complementarity {float(centre.max()):.1e} and residual {missing:.1e}; "
        "check the fleet for figures many orders of magnitude apart"
    )


class _Here:
    """The linear system at one point, and the way from there to the nearest bounds."""

    def __init__(
        self,
        block: Block,
        x: Floats,
        s: Floats,
        z: Floats,
        w: Floats,
        gap_rows: Floats,
        gap_hubs: Floats,
        give: Floats,
    ) -> None:
        nb = block.bounded
        self.block, self.gap_rows, self.gap_hubs = block, gap_rows, gap_hubs
        self.s, self.z, self.w = s, z, w
        self.recip = block.free / (x + block.fixed)
        self.pull, self.push = z * self.recip, w / s
        curvature = self.pull + _PROXIMITY
        curvature[:nb] += self.push
        self.theta = block.free / (curvature + block.fixed)
        self.factors = Eliminated(block, self.theta, give)

    def direction(self, gradient: Floats) -> tuple[Floats, Floats, Floats]:
        """Steps of x, of the row prices and of the hub prices."""
        own, hubs = self.block.times(self.theta * gradient)
        partial, _ = self.factors.forward(self.gap_rows + own, self.gap_hubs + hubs)
        dy, dprices = self.factors.backward(partial, None)
        return self.theta * (self.block.transposed(dy, dprices) - gradient), dy, dprices

    def lengths(self, dx: Floats, dz: Floats, dw: Floats) -> tuple[Floats, Floats]:
        """(n,) primal and dual step lengths, at most 1, each node's own."""
        nb = self.block.bounded
        primal = np.maximum((-dx * self.recip).max(axis=0), (dx[:nb] / self.s).max(axis=0))
        dual = np.maximum((-dz / self.z).max(axis=0), (-dw / (self.w + (self.w == 0.0))).max(axis=0))
        return _REACH / np.maximum(primal, _REACH), _REACH / np.maximum(dual, _REACH)
