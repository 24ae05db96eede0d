"""Power by component, (T2) of methods.md section 5, and its coefficients fitted from readings.

    P_tot = v_c^2 f_c (lam1c sum_k u_k + lam2c) + v_c lam0c     computation
          + v_m^2 f_m (lam1m u_m + lam2m) + v_m lam0m           memory
          + lam_r sum_j p_t(j) + p_c                            communication

The lambdas are published for no device: they are fitted by non-negative least squares
(``scipy.optimize.nnls``). Readings that never vary a term cannot determine its coefficient; each coefficient, and
each prediction, therefore states whether the readings determine it. An undetermined split is never presented
as a finding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

COEFFICIENTS = ("lam1c", "lam2c", "lam0c", "lam1m", "lam2m", "lam0m", "lam_r", "p_c")
"""Columns of the design matrix. Units: W/(V^2 Hz), W/(V^2 Hz), W/V, the same for memory, 1, W."""
_DYNAMIC = ("lam1c", "lam1m", "lam_r")
_TOLERANCE = 1e-9


class Component(StrEnum):
    """The three named parts of (T2)."""

    COMPUTATION = "computation"
    MEMORY = "memory"
    COMMUNICATION = "communication"


_COLUMNS = {
    Component.COMPUTATION: slice(0, 3),
    Component.MEMORY: slice(3, 6),
    Component.COMMUNICATION: slice(6, 8),
}


class FitError(ValueError):
    """Readings no model can be fitted to."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where a device works: the variables of (T2)."""

    core_v: float = 0.0
    core_hz: float = 0.0
    core_utilisation: float = 0.0
    """Sum over cores of their utilisation, 0..number of cores; for a whole GPU its model FLOP utilisation."""
    memory_v: float = 0.0
    memory_hz: float = 0.0
    memory_utilisation: float = 0.0
    """Share of the memory bandwidth in use, 0..1."""
    transmit_w: float = 0.0
    """Radiated power, summed over subcarriers."""
    circuit_on: bool = False
    """Whether the radio's circuits are powered: p_c counts only then."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; allowed is a finite number >= 0")
        if self.memory_utilisation > 1:
            raise ValueError(f"memory_utilisation is {self.memory_utilisation}; allowed is 0 to 1")

    def row(self, covers: frozenset[Component] = frozenset(Component)) -> NDArray[np.float64]:
        """Coefficients' weights in (T2) at this point, shape (8,), W per unit of the coefficient."""
        core, memory = self.core_v**2 * self.core_hz, self.memory_v**2 * self.memory_hz
        full = np.array(
            [
                core * self.core_utilisation,
                core,
                self.core_v,
                memory * self.memory_utilisation,
                memory,
                self.memory_v,
                self.transmit_w,
                float(self.circuit_on),
            ]
        )
        row = np.zeros_like(full)
        for component in covers:
            row[_COLUMNS[component]] = full[_COLUMNS[component]]
        return row


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a power meter.

    ``covers`` names the components behind the meter. With ``above``, ``power_w`` is what was read above the
    power at that other point.
    """

    name: str
    point: OperatingPoint
    power_w: float
    covers: frozenset[Component] = frozenset(Component)
    above: OperatingPoint | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.power_w) and self.power_w >= 0):
            raise ValueError(
                f"reading {self.name}: power_w is {self.power_w}; allowed is a finite number >= 0"
            )
        if not self.covers:
            raise ValueError(f"reading {self.name} covers no component; name at least one")

    def row(self) -> NDArray[np.float64]:
        """This reading's row of the design matrix, shape (8,)."""
        row = self.point.row(self.covers)
        return row if self.above is None else row - self.above.row(self.covers)


@dataclass(frozen=True, slots=True)
class PowerSplit:
    """(T2) at one point, W. ``static_w`` is what flows at zero utilisation and without transmission."""

    computation_w: float
    memory_w: float
    communication_w: float
    static_w: float
    computation_dynamic_w: float
    memory_dynamic_w: float
    transmit_w: float
    identified: bool
    """Whether the readings determine the total at this point."""
    split_identified: bool
    """Whether they determine each of the three components, static parts included."""

    @property
    def total_w(self) -> float:
        return self.computation_w + self.memory_w + self.communication_w


@dataclass(frozen=True)
class ComponentModel:
    """(T2) with fitted coefficients; see ``COEFFICIENTS`` for units."""

    coefficients: dict[str, float]
    identified: dict[str, bool]
    at_bound: dict[str, bool]
    """Whether the fit holds a coefficient at its bound, zero: without the bound it would be negative or zero. Then the
    readings err, or the device does something that (T2) has no term for."""
    residuals_w: dict[str, float]
    """Reading less model, by reading."""
    rank: int
    """Of the readings' design matrix; at most 8."""
    row_space: NDArray[np.float64]
    """Orthonormal basis in scaled columns, shape (rank, 8)."""
    scale: NDArray[np.float64]

    @property
    def rms_residual_w(self) -> float:
        """Root mean square of the residuals, W."""
        return math.sqrt(math.fsum(r * r for r in self.residuals_w.values()) / len(self.residuals_w))

    def power(self, point: OperatingPoint) -> PowerSplit:
        """Power by component at ``point``, W, and what of it the readings determine."""
        row = point.row()
        parts = row * np.array([self.coefficients[name] for name in COEFFICIENTS])
        dynamic = {name: float(parts[COEFFICIENTS.index(name)]) for name in _DYNAMIC}
        total = float(parts.sum())
        return PowerSplit(
            computation_w=float(parts[_COLUMNS[Component.COMPUTATION]].sum()),
            memory_w=float(parts[_COLUMNS[Component.MEMORY]].sum()),
            communication_w=float(parts[_COLUMNS[Component.COMMUNICATION]].sum()),
            static_w=total - sum(dynamic.values()),
            computation_dynamic_w=dynamic["lam1c"],
            memory_dynamic_w=dynamic["lam1m"],
            transmit_w=dynamic["lam_r"],
            identified=self.determines(row),
            split_identified=all(self.determines(point.row(frozenset({c}))) for c in Component),
        )

    def determines(self, row: NDArray[np.float64]) -> bool:
        """Whether the readings fix the value of ``row . coefficients``: whether it lies in their row space.

        What only the bound at zero would fix does not count.
        """
        scaled = row * self.scale
        norm = float(np.linalg.norm(scaled))
        if norm == 0.0:
            return True
        outside = scaled - self.row_space.T @ (self.row_space @ scaled)
        return bool(np.linalg.norm(outside) <= _TOLERANCE * norm)


def fit(readings: Sequence[Reading]) -> ComponentModel:
    """Non-negative least squares of (T2) over ``readings``.

    Columns are scaled to unit norm before the fit (volts, hertz and watts differ by nine orders of magnitude).

    Raises:
        FitError: fewer than two readings, a repeated name, or readings that vary nothing.
    """
    if len(readings) < 2:
        raise FitError(f"got {len(readings)} readings; a fit needs at least 2")
    names = [reading.name for reading in readings]
    if len(set(names)) != len(names):
        raise FitError(f"readings {names} repeat a name; give every reading its own")
    matrix = np.array([reading.row() for reading in readings])
    target = np.array([reading.power_w for reading in readings])
    norms = np.linalg.norm(matrix, axis=0)
    if not norms.any():
        raise FitError(
            "no reading gives any variable of (T2) a value; give voltages, clocks and utilisations"
        )
    scale = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    scaled = matrix * scale
    solution, _ = nnls(scaled, target)
    singular, basis = np.linalg.svd(scaled, full_matrices=False)[1:]
    rank = int((singular > _TOLERANCE * singular[0]).sum())
    # A column no reading touches gets scale 1 in the test below, so that asking for it is answered "no".
    test_scale = np.where(norms > 0, scale, 1.0)
    model = ComponentModel(
        coefficients=dict(zip(COEFFICIENTS, (solution * scale).tolist(), strict=True)),
        identified={},
        at_bound={
            name: bool(norm > 0 and value == 0.0)
            for name, norm, value in zip(COEFFICIENTS, norms, solution, strict=True)
        },
        residuals_w=dict(zip(names, (target - scaled @ solution).tolist(), strict=True)),
        rank=rank,
        row_space=basis[:rank],
        scale=test_scale,
    )
    unit = np.eye(len(COEFFICIENTS))
    model.identified.update({name: model.determines(unit[index]) for index, name in enumerate(COEFFICIENTS)})
    return model
