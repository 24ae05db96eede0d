"""Joules to grams: integration, operational (L1), attribution (L2), SCI (L3), per inference (L4).

Pure: standard library, numpy and scipy only. Equation numbers are those of the methods document, section 4.
Energies J, powers W, times s, intensities g CO2e per kWh, emissions g CO2e; all arrays are left unchanged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from carbon_data.types import DataError, MissingDataError
from carbon_data.units import JOULES_PER_KWH

Floats = NDArray[np.float64]


def _finite(values: ArrayLike, name: str, *, minimum: float = 0.0) -> Floats:
    """``values`` as a float array; NaN, infinities and values below ``minimum`` are refused."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        raise MissingDataError(
            f"{name} holds a value that is not finite; close or report the gap before adding up"
        )
    if (array < minimum).any():
        raise DataError(f"{name} holds {array.min()}; allowed is {minimum} or more")
    return array


def integrate_power(time_s: ArrayLike, power_w: ArrayLike, *, max_gap_s: float) -> float:
    """Energy in J under samples of power, by the trapezoid rule.

    ``time_s`` and ``power_w`` have shape (K,), K >= 2, times strictly increasing. Two samples further apart
    than ``max_gap_s`` raise MissingDataError: what happened between them is not known, and nothing is
    guessed.
    """
    time = _finite(time_s, "time_s", minimum=-math.inf)
    power = _finite(power_w, "power_w")
    if time.ndim != 1 or time.shape != power.shape or time.size < 2:
        raise DataError(
            f"time_s has shape {time.shape} and power_w {power.shape}; both need one shape (K,), K >= 2"
        )
    gaps = np.diff(time)
    if (gaps <= 0).any():
        index = int(np.argmax(gaps <= 0))
        raise DataError(f"time_s goes from {time[index]} to {time[index + 1]}; it must increase strictly")
    if gaps.max() > max_gap_s:
        index = int(np.argmax(gaps > max_gap_s))
        raise MissingDataError(
            f"no sample between {time[index]} s and {time[index + 1]} s, longer than "
            f"max_gap_s = {max_gap_s}; "
            "integrate the parts on both sides and report the gap"
        )
    return float(np.sum(gaps * (power[1:] + power[:-1]) / 2.0))


def operational_g(energy_j: ArrayLike, intensity_g_per_kwh: ArrayLike, *, pue: ArrayLike = 1.0) -> float:
    """(L1) sum of PUE * E / 3.6e6 * c; arguments broadcast against each other, e.g. (N, T) with (N, 1)."""
    energy = _finite(energy_j, "energy_j")
    intensity = _finite(intensity_g_per_kwh, "intensity_g_per_kwh")
    overhead = _finite(pue, "pue", minimum=1.0)
    return float(np.sum(overhead * energy / JOULES_PER_KWH * intensity))


@dataclass(frozen=True)
class Attribution:
    """(L2) metered energy split over tasks."""

    tasks_j: Floats
    """(K,) energy of each task: its dynamic share and its part of the idle power."""
    unallocated_j: float
    """Idle energy while no task was active."""

    @property
    def total_j(self) -> float:
        """Equals the metered energy: nothing is lost or doubled."""
        return float(self.tasks_j.sum()) + self.unallocated_j


def attribute_power(idle_w: ArrayLike, dynamic_w: ArrayLike, active: ArrayLike, step_s: float) -> Attribution:
    """(L2) each active task gets its own dynamic power and P_idle / (number of active tasks).

    ``dynamic_w`` and ``active`` have shape (T, K), ``idle_w`` is a scalar or (T,). A task with dynamic
    power must be active: power of a task that is said not to run is a contradiction in the meter, and
    refused.
    """
    dynamic = _finite(dynamic_w, "dynamic_w")
    running = np.asarray(active, dtype=bool)
    if dynamic.ndim != 2 or running.shape != dynamic.shape:
        raise DataError(f"dynamic_w has shape {dynamic.shape} and active {running.shape}; both need (T, K)")
    if not (math.isfinite(step_s) and step_s > 0):
        raise DataError(f"step_s is {step_s}; allowed is a finite value > 0")
    if (dynamic[~running] > 0).any():
        raise DataError(
            "dynamic_w is positive where active is False; mark the task active, or correct the meter"
        )
    idle = np.broadcast_to(_finite(idle_w, "idle_w"), (dynamic.shape[0],))
    count = running.sum(axis=1)
    share = np.divide(idle, count, out=np.zeros_like(idle), where=count > 0)
    tasks = (dynamic + running * share[:, None]).sum(axis=0) * step_s
    return Attribution(tasks_j=tasks, unallocated_j=float(idle[count == 0].sum()) * step_s)


def embodied_share_g(
    total_embodied_g: float, reserved_s: float, expected_life_s: float, resources_fraction: float = 1.0
) -> float:
    """M of (L3): TE * (time reserved / expected life) * (resources reserved / total), g CO2e."""
    for name, value in (("total_embodied_g", total_embodied_g), ("reserved_s", reserved_s)):
        _finite(value, name)
    if not (math.isfinite(expected_life_s) and expected_life_s > 0):
        raise DataError(f"expected_life_s is {expected_life_s}; allowed is a finite value > 0")
    if not 0.0 <= resources_fraction <= 1.0:
        raise DataError(f"resources_fraction is {resources_fraction}; allowed is 0..1")
    return total_embodied_g * (reserved_s / expected_life_s) * resources_fraction


def sci_g_per_unit(
    energy_j: float, intensity_g_per_kwh: float, embodied_g: float, functional_units: float
) -> float:
    """(L3) SCI = ((E * I) + M) / R in g CO2e per functional unit (Green Software Foundation)."""
    if not (math.isfinite(functional_units) and functional_units > 0):
        raise DataError(f"functional_units is {functional_units}; allowed is a finite value > 0")
    _finite(embodied_g, "embodied_g")
    return (operational_g(energy_j, intensity_g_per_kwh) + embodied_g) / functional_units


def per_inference_g(
    joules_per_inference: float,
    intensity_g_per_kwh: float,
    one_time_g: float,
    lifetime_inferences: float,
    *,
    embodied_g_per_inference: float = 0.0,
    pue: float = 1.0,
) -> float:
    """(L4) PUE*e_inf*c + (C_prep + C_dev + C_rec)/N_life + M_inf; ``one_time_g``: all three stages."""
    if not (math.isfinite(lifetime_inferences) and lifetime_inferences > 0):
        raise DataError(f"lifetime_inferences is {lifetime_inferences}; allowed is a finite value > 0")
    _finite([one_time_g, embodied_g_per_inference], "one_time_g or embodied_g_per_inference")
    running_g = operational_g(joules_per_inference, intensity_g_per_kwh, pue=pue)
    return running_g + one_time_g / lifetime_inferences + embodied_g_per_inference


def break_even_inferences(
    development_g: float, joules_per_inference: float, intensity_g_per_kwh: float, *, pue: float = 1.0
) -> float:
    """(L4) N* = C_dev / (PUE*e_inf*c): inferences after which serving has emitted as much as development."""
    each_g = operational_g(joules_per_inference, intensity_g_per_kwh, pue=pue)
    if each_g <= 0:
        raise DataError(
            "an inference emits 0 g here, so it never breaks even; give its energy and the grid's intensity"
        )
    return float(_finite(development_g, "development_g")) / each_g
