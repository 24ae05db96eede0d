"""A small convex program of one node: a linear objective near an aim, by a primal-dual interior point. Pure.

    min c'x + 1/2 sum_k rho_k (E x - aim)_k^2      subject to  A x = b,  0 <= x <= upper

With lambda_k = -rho_k (E x - aim)_k the aim's rows read  E x + lambda / rho = aim: they join A x = b with a diagonal of
their own, and one Cholesky factor a step is all there is. A node's look-ahead has a few hundred variables, so dense
algebra is the fastest. Mehrotra's predictor and corrector; S. Wright, "Primal-Dual Interior-Point Methods" (1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Floats = NDArray[np.float64]
_STEPS = 80
_REACH = 0.995
_FLOOR = 1e-9
"""Regularisation of the equations' rows: for equations that repeat each other."""


class LocalProblemError(ArithmeticError):
    """A local solve did not converge."""


@dataclass(frozen=True)
class Near:
    """One program but for its aim. Rows of ``rows`` are equations first, then the aimed-at quantities."""

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

    def _normal(self, theta: Floats, soft: Floats) -> Floats:
        """A theta A' with ``soft`` on its diagonal; a column holds a few entries, so a dense product would waste most
        of its work."""
        places, variables, products = self._pairs
        size = len(self.rows)
        flat = np.bincount(places, products * theta[variables], size * size).astype(np.float64)
        matrix: Floats = flat.reshape(size, size)
        matrix[np.diag_indices(size)] += soft
        return matrix

    def solve(self, aim: Floats, rho: Floats, tolerance: float = 1e-6) -> Floats:
        """x (n,) for ``aim`` (k,) and weights ``rho`` (k,).

        Raises LocalProblemError when the solve stalls above 1e-4.
        """
        a, bounded = self.rows, np.isfinite(self.upper)
        m = len(self.right)
        target = np.concatenate([self.right, aim])
        soft = np.concatenate([np.full(m, _FLOOR), 1.0 / rho])
        aimed = np.concatenate([np.zeros(m), 1.0 / rho])
        cap = np.where(bounded, self.upper, 1.0)
        x = np.where(bounded, 0.5 * cap, 1.0)
        s, z, w = np.where(bounded, cap - x, 1.0), np.ones_like(x), bounded.astype(float)
        y = np.zeros(len(a))
        pairs = len(x) + bounded.sum()
        centre = missing = np.inf
        for _ in range(_STEPS):
            gap = target - a @ x - aimed * y
            slope = self.cost - a.T @ y - z + w
            centre = float(x @ z + s @ w) / pairs
            missing = max(float(np.abs(gap).max()), float(np.abs(slope).max()))
            if centre < tolerance and missing < 10 * tolerance:
                return x
            theta = 1.0 / (z / x + w / s)
            factor = cho_factor(self._normal(theta, soft), lower=True, check_finite=False)

            def direction(lower: Floats, higher: Floats) -> tuple[Floats, ...]:
                """Step where x z is to become ``lower`` and s w ``higher``."""
                gradient = slope + z - w - lower / x + higher / s  # noqa: B023
                dy = cho_solve(factor, gap + a @ (theta * gradient), check_finite=False)  # noqa: B023
                dx = theta * (a.T @ dy - gradient)  # noqa: B023
                dz = lower / x - z - z / x * dx  # noqa: B023
                dw = (higher / s - w + w / s * dx) * bounded  # noqa: B023
                return dx, dy, dz, dw

            none = np.zeros_like(x)
            dx, dy, dz, dw = direction(none, none)
            primal, dual = _length(x, dx, s, -dx * bounded), _length(z, dz, w + ~bounded, dw)
            after = float((x + primal * dx) @ (z + dual * dz) + (s - primal * dx * bounded) @ (w + dual * dw))
            aim_centre = centre * min(max(after / pairs / centre, 0.0), 1.0) ** 3
            dx, dy, dz, dw = direction(aim_centre - dx * dz, (aim_centre + dx * dw) * bounded)
            # the quadratic term ties both sides together: one length for both
            step = min(_length(x, dx, s, -dx * bounded), _length(z, dz, w + ~bounded, dw))
            x, s = x + step * dx, s - step * dx * bounded
            y, z, w = y + step * dy, z + step * dz, w + step * dw
        if centre < 1e-4 and missing < 1e-4:
            return x
        raise LocalProblemError(
            f"a node's own problem stalled at complementarity {centre:.1e} and residual {missing:.1e}; check its "
            "figures for some that are many orders of magnitude apart"
        )


def _length(a: Floats, da: Floats, b: Floats, db: Floats) -> float:
    """Longest step, at most 1, that keeps both positive."""
    shrink = max(float((-da / a).max()), float((-db / b).max()), _REACH)
    return _REACH / shrink
