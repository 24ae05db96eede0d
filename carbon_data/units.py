"""Unit conversions. The only file that knows 3.6e6.

Inside the project and on the wire: W, J, s, g (CO2e), g/kWh, bytes, fractions in 0..1.
Booked energies are integer microjoules (``_uj``) and booked emissions integer picograms CO2e
(``_pg``), so that books balance exactly; kWh and kg appear only on axes and in tables for people.
"""

from __future__ import annotations

JOULES_PER_KWH = 3_600_000.0
JOULES_PER_WH = 3_600.0
MICRO = 1_000_000
PICO = 1_000_000_000_000
BITS_PER_BYTE = 8


def joules_to_kwh(energy_j: float) -> float:
    """Energy in J to kWh."""
    return energy_j / JOULES_PER_KWH


def kwh_to_joules(energy_kwh: float) -> float:
    """Energy in kWh to J."""
    return energy_kwh * JOULES_PER_KWH


def wh_to_joules(energy_wh: float) -> float:
    """Energy in Wh to J."""
    return energy_wh * JOULES_PER_WH


def to_micro(quantity: float) -> int:
    """J to integer microjoules (round half to even)."""
    return round(quantity * MICRO)


def from_micro(quantity: int) -> float:
    """Integer microjoules to J."""
    return quantity / MICRO


def from_pico(quantity: int) -> float:
    """Integer picograms to g."""
    return quantity / PICO
