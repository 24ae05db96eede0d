"""The battery of a node's configuration; the rule it runs by is carbon_data.storage."""

from __future__ import annotations

from fractions import Fraction

from carbon_data.storage import NO_BATTERY, Battery
from carbon_data.units import to_micro
from edge_node.config import BatteryConfig


def battery_of(config: BatteryConfig | None, slot_s: float) -> Battery:
    """Constants of the battery for slots of ``slot_s``; ``None``: no battery."""
    if config is None:
        return NO_BATTERY
    return Battery(
        capacity_uj=to_micro(config.capacity_j),
        charge_efficiency=Fraction(config.charge_efficiency_fraction),
        discharge_efficiency=Fraction(config.discharge_efficiency_fraction),
        self_discharge=Fraction(config.self_discharge_fraction),
        charge_limit_uj=to_micro(config.charge_limit_w * slot_s),
        discharge_limit_uj=to_micro(config.discharge_limit_w * slot_s),
    )
