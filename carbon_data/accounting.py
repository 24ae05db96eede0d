"""Joules to grams: operational (L1), SCI (L3), per inference (L4).

Pure: standard library, numpy and scipy only. Equation numbers are those of the methods document, section 4.
Energies J, powers W, times s, intensities g CO2e per kWh, emissions g CO2e; all arrays are left unchanged.
"""

from __future__ import annotations

import math

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


def operational_g(energy_j: ArrayLike, intensity_g_per_kwh: ArrayLike, *, pue: ArrayLike = 1.0) -> float:
    """(L1) sum of PUE * E / 3.6e6 * c; arguments broadcast against each other, e.g. (N, T) with (N, 1)."""
    energy = _finite(energy_j, "energy_j")
    intensity = _finite(intensity_g_per_kwh, "intensity_g_per_kwh")
    overhead = _finite(pue, "pue", minimum=1.0)
    return float(np.sum(overhead * energy / JOULES_PER_KWH * intensity))


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
