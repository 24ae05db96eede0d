"""Iterate and search directions of one block: Mehrotra's predictor-corrector on the nodes' own variables.

x > 0 with prices z > 0 of x >= 0; s = upper - x > 0 with prices w > 0 of the upper bounds (first ``bounded`` columns).
Fixed variables hold x = 0, z = 1 and never move.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.block import Block
from coordinator.market.wide.kkt import Eliminated

_START_CENTRE = 0.1
"""Products x z of the starting point, in scaled units."""
_LEAST_SHARE = 0.02
"""A starting point keeps at least this distance from the bounds, in scaled units."""

_WAITS = 0.1
"""Share of the work there is that a starting point leaves for the next slot."""
_LEAVES = 0.3
"""Likewise, of what it does of work that may leave, what leaves."""


def _dot(a: Floats, b: Floats) -> float:
    """Sum of products, without BLAS: its own threads would compete with those of the blocks."""
    return float(np.einsum("ij,ij->", a, b))


def _least(value: Floats) -> Floats:
    return np.maximum(value, _LEAST_SHARE)


@dataclass(slots=True)
class Measures:
    """What a block contributes to the measures of progress: sums."""

    primal: float
    dual: float
    complementarity: float
    pairs: float
    hub: Floats


class State:
    """One block's point and the arrays of the step being taken."""

    def __init__(self, block: Block, hub_prices: Floats) -> None:
        self.block = block
        self.dy: Floats = np.zeros(0)
        self.hub_prices = hub_prices
        self._start(hub_prices[: block.slots])

    def _start(self, energy_price: Floats) -> None:
        """A point inside the bounds, near balance: half the work's offload cap used, green energy used as it comes."""
        block, p = self.block, self.block.program
        view, nb = block.view, block.bounded
        x = np.zeros((block.columns, block.nodes))
        x[:nb] = 0.3 * block.upper
        if block.waits:
            self._begin_waiting(x)
        else:
            view(x, "own")[0] = 0.75 * p.class_batches
            view(x, "unserved")[0] = np.minimum(0.02 * p.class_batches, _START_CENTRE / p.unserved_g)
        guests = view(x, "guest")
        sent = view(x, "offload").sum(axis=0)
        np.minimum(guests, _least(2.0 * sent.mean(axis=1, keepdims=True)), out=guests)
        own = view(x, "own").sum(axis=0)
        load = p.static_j + p.joules_per_batch * (own + guests) + p.guest_j * guests + p.owner_j * sent
        view(x, "import_")[:] = _least(view(x, "export").mean(axis=1, keepdims=True))
        into = p.harvest_j + view(x, "discharge") + p.import_efficiency * view(x, "import_")
        into -= view(x, "charge") + view(x, "export")
        green = np.clip(0.7 * into, 0.05 * load, 0.7 * load)
        view(x, "green")[:] = green
        view(x, "grid")[:] = load - green
        view(x, "curtailed")[:] = _least(into - green)
        view(x, "idle")[:] = _least(1.0 - p.seconds_per_batch * (own + guests))
        x *= block.free
        self.x = x
        self.s = block.upper - x[:nb]

        y = np.zeros((block.rows, block.nodes))
        block.row(y, "demand")[:] = 0.6 * p.grams_per_j
        block.row(y, "bus")[:] = np.minimum(0.8 * p.grams_per_j, energy_price[:, None])
        block.row(y, "store")[:] = -0.7 * p.grams_per_j.mean(axis=0)
        block.row(y, "time")[:] = -0.05
        block.done(y)[:] = 0.6 * p.grams_per_j * p.joules_per_batch
        self.y = y
        reduced = block.cost - block.transposed(y, self.hub_prices)
        safe, room = self.x + block.fixed, self.s
        aim = _START_CENTRE
        self.z = np.where(block.fixed, 1.0, np.clip(reduced, 0.3 * aim / safe, 3.0 * aim / safe))
        self.w = np.where(block.fixed[:nb], 0.0, np.clip(-reduced[:nb], 0.3 * aim / room, 3.0 * aim / room))

    def _begin_waiting(self, x: Floats) -> None:
        """Work is done nearly as it comes: a tenth of what there is waits for the next slot, where it may."""
        view, waiting = self.block.view, self.block.waiting
        own, sent, unserved, waits = (view(x, name) for name in ("own", "offload", "unserved", "waiting"))
        cost = np.where(waiting.due > 0, waiting.unserved_g, 1.0)
        unserved[:] = np.minimum(0.02 * waiting.due, _START_CENTRE / cost)
        left = np.zeros_like(own[:, 0])
        for t in range(self.block.slots):
            have, most = left + waiting.arrived[:, t], waiting.most_waiting[:, t]
            left = np.minimum(np.maximum(_WAITS * have, _LEAST_SHARE * most), 0.9 * most)
            waits[:, t] = left
            own[:, t] = np.maximum(have - left - unserved[:, t], 0.05 * have)
        sent[:] = _LEAVES * own[: len(sent)]
        own[: len(sent)] -= sent

    def factor(self, proximity: float) -> tuple[Floats, Floats, Measures]:
        """Residuals, factors and the predictor's right-hand side; returns S, the hub's part of r, and measures.

        ``proximity`` is the weight of a proximal term on the step: it bounds theta, so that eliminations lose no more
        than half the digits, and leaves the solution where it is (it acts on the step, not on the point)."""
        block, nb = self.block, self.block.bounded
        x, z, s, w = self.x, self.z, self.s, self.w
        self.shadow = block.cost - block.transposed(self.y, self.hub_prices)  # c - A'y
        own_rows, hub = block.times(x)
        self.gap_rows = block.right - own_rows
        self.recip = block.free / (x + block.fixed)
        self.pull = z * self.recip
        curvature = self.pull + proximity
        self.push = w / s
        curvature[:nb] += self.push
        self.theta = block.free / (curvature + block.fixed)
        self.eliminated = Eliminated(block, self.theta)
        free = float(block.free.sum())
        measures = Measures(
            primal=_dot(block.cost, x) + block.constant,
            dual=float(_dot(block.right, self.y) - _dot(block.upper, w)) + block.constant,
            complementarity=float(_dot(x, z) + _dot(s, w)),
            pairs=free + float(block.free[:nb].sum()),
            hub=hub.sum(axis=1),
        )
        right = self._reduce(self.shadow)
        return self.eliminated.schur, right, measures

    def _reduce(self, gradient: Floats) -> Floats:
        """Right-hand side r = r_p + A (theta q) of the step with gradient q; returns its part for the hub."""
        self.gradient = gradient
        rows, hub = self.block.times(self.theta * gradient)
        self.partial, eliminated = self.eliminated.forward(self.gap_rows + rows)
        return hub.sum(axis=1) + eliminated

    def _direction(self, hub_step: Floats) -> tuple[Floats, Floats]:
        dy, _ = self.eliminated.backward(self.partial, hub_step)
        dx = self.block.transposed(dy, hub_step)
        dx -= self.gradient
        dx *= self.theta
        return dx, dy

    def _longest(self, dx: Floats, dz: Floats, dw: Floats) -> tuple[float, float]:
        """Largest steps (primal, dual), up to 1 / 1e-12, that keep every variable and price positive."""
        nb = self.block.bounded
        primal = max(float((-dx * self.recip).max()), float((dx[:nb] / self.s).max()), 1e-12)
        positive_w = self.w + (self.w == 0.0)
        dual = max(float((-dz / self.z).max()), float((-dw / positive_w).max()), 1e-12)
        return 1.0 / primal, 1.0 / dual

    def predict(self, hub_step: Floats) -> tuple[float, float]:
        """Affine direction; returns the longest primal and dual steps."""
        nb, free = self.block.bounded, self.block.free
        dx, _ = self._direction(hub_step)
        dz = -self.pull * dx
        dz -= self.z * free
        dw = self.push * dx[:nb]
        dw -= self.w
        self.dx, self.dz, self.dw = dx, dz, dw
        return self._longest(dx, dz, dw)

    def after_prediction(self, primal: float, dual: float) -> float:
        """Complementarity after an affine step of these lengths."""
        nb = self.block.bounded
        x, z = self.x + primal * self.dx, self.z + dual * self.dz
        lower = _dot(x, z)
        return lower + _dot(self.s - primal * self.dx[:nb], self.w + dual * self.dw)

    def correct(self, target: float, damping: float) -> Floats:
        """Second-order right-hand side aimed at x z = s w = ``target``; returns its part for the hub."""
        nb, block = self.block.bounded, self.block
        self.dx *= damping
        self.dz *= self.dx  # from here on the products of the affine step
        self.dw *= self.dx[:nb]
        self.lower_aim = (target - self.dz) * self.recip  # rc / x + z
        self.upper_aim = (target + self.dw) * block.free[:nb] / self.s  # rs / s + w
        return self._aim()

    def _aim(self) -> Floats:
        gradient = self.shadow - self.lower_aim
        gradient[: self.block.bounded] += self.upper_aim
        return self._reduce(gradient)

    def centre(self, primal: float, dual: float, target: float) -> Floats:
        """Aim again (Gondzio): bring products that a step of these lengths would leave far from ``target`` back
        towards it; returns the right-hand side's part for the hub."""
        nb, block = self.block.bounded, self.block
        self.before = (self.dx, self.dy, self.dz, self.dw)
        for x, z, aim, recip in (
            (self.x + primal * self.dx, self.z + dual * self.dz, self.lower_aim, self.recip),
            (
                self.s - primal * self.dx[:nb],
                self.w + dual * self.dw,
                self.upper_aim,
                block.free[:nb] / self.s,
            ),
        ):
            x *= z
            wanted = np.clip(x, 0.1 * target, 10.0 * target)
            wanted -= x
            np.maximum(wanted, -10.0 * target, out=wanted)
            wanted *= recip
            aim += wanted
        return self._aim()

    def undo(self) -> None:
        """Go back to the direction before the last re-aiming."""
        self.dx, self.dy, self.dz, self.dw = self.before

    def finish(self, hub_step: Floats) -> tuple[float, float]:
        """Combined direction; returns the longest primal and dual steps."""
        nb, free = self.block.bounded, self.block.free
        dx, dy = self._direction(hub_step)
        self.dy = dy
        dz = self.lower_aim - self.pull * dx
        dz -= self.z * free
        dw = self.upper_aim + self.push * dx[:nb]
        dw -= self.w
        self.dx, self.dz, self.dw = dx, dz, dw
        return self._longest(dx, dz, dw)

    def move(self, primal: float, dual: float, hub_prices: Floats) -> None:
        """Take the step."""
        nb = self.block.bounded
        self.dx *= primal
        self.x += self.dx
        self.s -= self.dx[:nb]
        self.z += dual * self.dz
        self.w += dual * self.dw
        self.y += dual * self.dy
        self.hub_prices = hub_prices
        del self.eliminated, self.partial, self.gradient, self.shadow, self.gap_rows, self.theta
        del (
            self.recip,
            self.pull,
            self.push,
            self.lower_aim,
            self.upper_aim,
            self.dx,
            self.dz,
            self.dw,
            self.dy,
        )
