"""The battery of a node's configuration; the rule it runs by is carbon_data.storage."""

from __future__ import annotations

from fractions import Fraction

from carbon_data.storage import NO_BATTERY, Battery, faded_fraction
from carbon_data.units import to_micro
from edge_node.config import BatteryConfig


def battery_of(config: BatteryConfig | None, slot_s: float, lasted_s: float | None = None) -> Battery:
    """Constants of the battery for slots of ``slot_s``; ``None``: no battery. ``lasted_s``: how long the slot was,
    where it was not ``slot_s``."""
    if config is None:
        return NO_BATTERY
    seconds = slot_s if lasted_s is None else lasted_s
    return Battery(
        capacity_uj=to_micro(config.capacity_j),
        charge_efficiency=Fraction(config.charge_efficiency_fraction),
        discharge_efficiency=Fraction(config.discharge_efficiency_fraction),
        self_discharge=faded_fraction(config.self_discharge_fraction, Fraction(seconds) / Fraction(slot_s)),
        charge_limit_uj=to_micro(config.charge_limit_w * seconds),
        discharge_limit_uj=to_micro(config.discharge_limit_w * seconds),
    )
