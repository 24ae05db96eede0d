"""One Newton step of the decomposition: every node's rows are eliminated onto the 2 T hub prices, exactly.

With theta = diag(1 / (z/x + w/s)) the step solves  A theta A' dy = r.  Rows of different nodes meet only in the hub, so

    [ M_1            H_1 ] [dy_1]   [r_1]
    [      ...       ... ] [ ...] = [...]      S = sum_i ( H_ii - H_i' M_i^-1 H_i )
    [ H_1' ...        H  ] [dhub]   [r_h]      S dhub = r_h - sum_i H_i' M_i^-1 r_i

S is 2 T x 2 T for any N. Inside a node, the rows of a slot (time, done, demand, bus) are eliminated in place by
name (named_rows.py, normal_matrix.py). What is left couples slots (between_slots.py): the battery (tridiagonal, its
inverse by Takahashi's recurrence) or, where work may wait, battery and work together (chain.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.between_slots import BatteryChain, BetweenSlots, StoreAndWork
from coordinator.market.wide.block import Block
from coordinator.market.wide.named_rows import BUS, DEMAND, ENERGY, STORE, TIME, WORK, Key
from coordinator.market.wide.normal_matrix import normal_matrix


@dataclass(frozen=True, slots=True)
class Partial:
    """A right-hand side, eliminated: what back-substitution needs."""

    rows: dict[Key, Floats]
    inner: Floats
    """Solution of the rows that couple slots, before the hubs' step."""


class Eliminated:
    """Factors of one block for one theta, and its share of the hub's matrix, ``schur``.

    ``give`` (2 T, n): where every node has hubs of its own that give way, dhub * give + hub step = r, in place of one
    common hub; then the hub rows are eliminated node by node as well, and nothing is left to couple the nodes.
    """

    def __init__(self, block: Block, theta: Floats, give: Floats | None = None) -> None:
        self.block = block
        self.own_hubs = give is not None
        matrix = normal_matrix(block, theta)
        within_slot: list[Key] = [TIME, DEMAND, BUS] if block.waits else [TIME, ("done", 0), DEMAND, BUS]
        if give is not None:
            matrix.rows.put(ENERGY, ENERGY, give[: block.slots])
            matrix.rows.put(WORK, WORK, give[block.slots :])
            within_slot += [ENERGY, WORK]
        self._pivots = [matrix.rows.eliminate(key) for key in within_slot]
        between = StoreAndWork if block.waits else BatteryChain
        self._between: BetweenSlots = between(block, matrix, self.own_hubs)
        self.schur = self._between.schur

    def forward(self, right: Floats, hub_right: Floats | None = None) -> tuple[Partial, Floats]:
        """Eliminate a right-hand side (R, n): what back-substitution needs, and the (2 T,) part for the hub.
        ``hub_right`` (2 T, n): of the nodes' own hubs."""
        rows = self._by_name(right, hub_right)
        for pivot in self._pivots:
            value = rows[pivot.key]
            for key, factor in pivot.factors:
                rows[key] -= factor * value
        inner = self._between.solve(rows)
        if self.own_hubs:
            return Partial(rows, inner), np.zeros(0)
        hub = np.concatenate([rows[ENERGY].sum(axis=1), rows[WORK].sum(axis=1)])
        hub -= self._between.to_hub(inner)
        return Partial(rows, inner), hub

    def _by_name(self, right: Floats, hub_right: Floats | None) -> dict[Key, Floats]:
        """Copies of a right-hand side's rows by name."""
        block, slots = self.block, self.block.slots
        keys = [TIME, DEMAND, BUS, STORE, *(("done", flow) for flow in range(block.flows))]
        rows = {key: block.named(right, key).copy() for key in keys}
        hubs = np.zeros((2 * slots, block.nodes)) if hub_right is None else hub_right
        rows[ENERGY], rows[WORK] = hubs[:slots].copy(), hubs[slots:].copy()
        return rows

    def backward(self, partial: Partial, hub: Floats | None) -> tuple[Floats, Floats]:
        """(R, n) step of the row prices, given the (2 T,) step of the hub prices; with hubs of their own, that step
        as well: (2 T, n)."""
        block, slots = self.block, self.block.slots
        # hubs of their own are pivots: until they are found they weigh nothing in what came before them
        prices = np.zeros((2 * slots, block.nodes)) if hub is None else hub[:, None]
        hubs = {ENERGY: prices[:slots], WORK: prices[slots:]}
        out = np.empty((block.rows, block.nodes))
        for key, values in self._between.step(partial.inner, hub).items():
            block.named(out, key)[:] = values
        for pivot in reversed(self._pivots):
            value = partial.rows[pivot.key] / pivot.diagonal
            for key, factor in pivot.factors:
                value -= factor * (hubs[key] if key in hubs else block.named(out, key))
            place = hubs[pivot.key] if pivot.key in hubs else block.named(out, pivot.key)
            place[:] = value
        return out, prices
