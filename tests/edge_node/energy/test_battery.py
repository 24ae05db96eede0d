"""A battery's configuration becomes the constants of the rule it runs by."""

from __future__ import annotations

from carbon_data.storage import NO_BATTERY
from edge_node.config import BatteryConfig
from edge_node.energy.battery import battery_of


def test_configuration_becomes_microjoules_per_slot() -> None:
    config = BatteryConfig(capacity_j=2.5, charge_limit_w=3.0, discharge_limit_w=4.0)
    battery = battery_of(config, slot_s=0.5)
    assert (battery.capacity_uj, battery.charge_limit_uj, battery.discharge_limit_uj) == (
        2_500_000,
        1_500_000,
        2_000_000,
    )


def test_without_a_configuration_there_is_no_battery() -> None:
    assert battery_of(None, slot_s=10.0) is NO_BATTERY
