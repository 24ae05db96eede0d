"""A small convex program of one node: a linear objective near an aim, by a primal-dual interior point. Pure.

    min c'x + 1/2 sum_k rho_k (E x - aim)_k^2      subject to  A x = b,  0 <= x <= upper

With lambda_k = -rho_k (E x - aim)_k the aim's rows read  E x + lambda / rho = aim: they join A x = b with their own
diagonal, and each step needs one Cholesky factor. A node's look-ahead has a few hundred variables, so dense
algebra is the fastest. Mehrotra's predictor and corrector; S. Wright, "Primal-Dual Interior-Point Methods" (1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

Floats = NDArray[np.float64]
_STEPS = 80
_REACH = 0.995
_FLOOR = 1e-9
"""Regularisation of the equations' rows, for linearly dependent equations."""
_DENSE = 48
"""Rows up to which A theta A' is formed by one dense product; above, entry by entry."""
_KEPT = 1e-2
"""Complementarity of the iterate from which the next solve starts: near the last solution, and still well inside."""


class LocalProblemError(ArithmeticError):
    """A local solve did not converge."""


@dataclass(frozen=True, slots=True)
class Iterate:
    """A point of the interior point: x and its distance s to the upper bound, multipliers z of x >= 0 and w of
    x <= upper, y of the rows."""

    x: Floats
    s: Floats
    z: Floats
    w: Floats
    y: Floats


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution, and a starting point for the next solve with a nearby aim."""

    x: Floats
    nearby: Iterate


@dataclass(frozen=True)
class Near:
    """One program without its aim. Rows of ``rows`` are equations first, then the quantities of the aim."""

    cost: Floats
    """(n,)."""
    rows: Floats
    """(m + k, n): A above E."""
    right: Floats
    """(m,)."""
    upper: Floats
    """(n,) infinite where there is no bound; positive everywhere."""

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """(place in the flat normal matrix, variable, product) of every two entries of a column."""
        places, variables, products = [], [], []
        for column in range(self.rows.shape[1]):
            lines = np.flatnonzero(self.rows[:, column])
            values = self.rows[lines, column]
            places.append((lines[:, None] * len(self.rows) + lines[None, :]).ravel())
            variables.append(np.full(len(lines) ** 2, column))
            products.append(np.outer(values, values).ravel())
        return np.concatenate(places), np.concatenate(variables), np.concatenate(products)

    @cached_property
    def _bounded(self) -> NDArray[np.bool_]:
        return np.isfinite(self.upper)

    def _normal(self, theta: Floats, soft: Floats) -> Floats:
        """A theta A' with ``soft`` on its diagonal; a column holds a few entries, so a large dense product would waste
        most of its work."""
        size = len(self.rows)
        matrix: Floats
        if size <= _DENSE:
            matrix = (self.rows * theta) @ self.rows.T
        else:
            places, variables, products = self._pairs
            flat = np.bincount(places, products * theta[variables], size * size).astype(np.float64)
            matrix = flat.reshape(size, size)
        matrix.ravel()[:: size + 1] += soft
        return matrix

    def _cold(self) -> Iterate:
        cap = np.where(self._bounded, self.upper, 1.0)
        x = np.where(self._bounded, 0.5 * cap, 1.0)
        s = np.where(self._bounded, cap - x, 1.0)
        return Iterate(x, s, np.ones_like(x), self._bounded.astype(float), np.zeros(len(self.rows)))

    def solve(
        self, aim: Floats, rho: Floats, tolerance: float = 1e-6, nearby: Iterate | None = None
    ) -> Solved:
        """x (n,) for ``aim`` (k,) and weights ``rho`` (k,), from ``nearby`` where a solve of a nearby aim left one.

        Raises LocalProblemError when the solve stalls above 1e-4.
        """
        if nearby is not None and (found := self._from(nearby, aim, rho, tolerance)[0]) is not None:
            return found
        found, centre, missing = self._from(self._cold(), aim, rho, tolerance)
        if found is None:
            raise LocalProblemError(
                f"a node's own problem stalled at complementarity {centre:.1e} and residual {missing:.1e}; check its "
                "figures for values that are many orders of magnitude apart"
            )
        return found

    def _from(
        self, start: Iterate, aim: Floats, rho: Floats, tolerance: float
    ) -> tuple[Solved | None, float, float]:
        """(solution or None, complementarity, largest residual)."""
        a, at, bounded = self.rows, self.rows.T, self._bounded
        m = len(self.right)
        target = np.concatenate([self.right, aim])
        soft = np.concatenate([np.full(m, _FLOOR), 1.0 / rho])
        aimed = soft.copy()
        aimed[:m] = 0.0
        x, s, z, w, y = start.x, start.s, start.z, start.w, start.y
        pairs, open_ = len(x) + int(bounded.sum()), (~bounded).astype(float)
        kept = start
        centre = missing = np.inf
        for _ in range(_STEPS):
            gap = target - a @ x - aimed * y
            slope = self.cost - at @ y - z + w
            centre = float(x @ z + s @ w) / pairs
            missing = float(max(abs(gap).max(), abs(slope).max()))
            if centre >= _KEPT:
                kept = Iterate(x, s, z, w, y)
            if centre < tolerance and missing < 10 * tolerance:
                return Solved(x, kept), centre, missing
            zx, ws = z / x, w / s
            theta = 1.0 / (zx + ws)
            factor, flaw = dpotrf(self._normal(theta, soft), lower=1, overwrite_a=1)
            if flaw:
                break  # lost to rounding: what there is may do, see below

            def direction(lower: Floats, higher: Floats) -> tuple[Floats, ...]:
                """Step where x z is to become ``lower`` and s w ``higher``."""
                gradient = slope + z - w - lower / x + higher / s  # noqa: B023
                dy, _ = dpotrs(factor, gap + a @ (theta * gradient), lower=1, overwrite_b=1)  # noqa: B023
                dx = theta * (at @ dy - gradient)  # noqa: B023
                dz = lower / x - z - zx * dx  # noqa: B023
                dw = (higher / s - w + ws * dx) * bounded  # noqa: B023
                return dx, dy, dz, dw

            none = np.zeros_like(x)
            dx, _, dz, dw = direction(none, none)
            ds = -dx * bounded
            primal, dual = _length(x, dx, s, ds), _length(z, dz, w + open_, dw)
            after = float((x + primal * dx) @ (z + dual * dz) + (s + primal * ds) @ (w + dual * dw))
            aim_centre = centre * min(max(after / pairs / centre, 0.0), 1.0) ** 3
            dx, dy, dz, dw = direction(aim_centre - dx * dz, (aim_centre + dx * dw) * bounded)
            ds = -dx * bounded
            # the quadratic term ties both sides together: one length for both
            step = min(_length(x, dx, s, ds), _length(z, dz, w + open_, dw))
            x, s = x + step * dx, s + step * ds
            y, z, w = y + step * dy, z + step * dz, w + step * dw
        return (Solved(x, kept) if centre < 1e-4 and missing < 1e-4 else None), centre, missing


def _length(a: Floats, da: Floats, b: Floats, db: Floats) -> float:
    """Longest step, at most 1, that keeps both positive."""
    shrink = min(float((da / a).min()), float((db / b).min()))
    return _REACH / max(-shrink, _REACH)
