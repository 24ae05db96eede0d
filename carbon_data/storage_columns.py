"""The battery and bus rule for many nodes at once: carbon_data.storage row by row, to the last microjoule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carbon_data.exact import Floats, Ints, ceil_over, floor_times
from carbon_data.storage import Battery, EnergyError

BalanceColumns = dict[str, Ints]
"""(N,) of every term of storage.Balance, by name."""


@dataclass(frozen=True, slots=True)
class BatteryColumns:
    """Constants of N batteries: storage.Battery by column."""

    capacity_uj: Ints
    charge_efficiency: Floats
    discharge_efficiency: Floats
    self_discharge: Floats
    charge_limit_uj: Ints
    discharge_limit_uj: Ints

    @classmethod
    def of(cls, batteries: Sequence[Battery]) -> BatteryColumns:
        """Batteries whose fractions are floats, as those of a configuration are."""

        def whole(name: str) -> Ints:
            return np.array([getattr(battery, name) for battery in batteries], dtype=np.int64)

        def real(name: str) -> Floats:
            return np.array([float(getattr(battery, name)) for battery in batteries], dtype=np.float64)

        return cls(
            capacity_uj=whole("capacity_uj"),
            charge_efficiency=real("charge_efficiency"),
            discharge_efficiency=real("discharge_efficiency"),
            self_discharge=real("self_discharge"),
            charge_limit_uj=whole("charge_limit_uj"),
            discharge_limit_uj=whole("discharge_limit_uj"),
        )


def balance_columns(
    battery: BatteryColumns,
    before_uj: Ints,
    *,
    demand_uj: Ints,
    harvest_uj: Ints,
    import_uj: Ints,
    export_uj: Ints,
    charge_uj: Ints,
    discharge_uj: Ints,
) -> BalanceColumns:
    """``storage.balance`` of every node: (N,) uJ each. Raises EnergyError for the first node whose energies are
    impossible, as that does."""
    given = {
        "battery_before_uj": before_uj,
        "demand_uj": demand_uj,
        "harvest_uj": harvest_uj,
        "import_uj": import_uj,
        "export_uj": export_uj,
        "charge_uj": charge_uj,
        "discharge_uj": discharge_uj,
    }
    for name, values in given.items():
        if (values < 0).any():
            row = int(np.argmax(values < 0))
            raise EnergyError(f"row {row}: {name} is {values[row]}; allowed is 0 or more")
    if (before_uj > battery.capacity_uj).any():
        row = int(np.argmax(before_uj > battery.capacity_uj))
        raise EnergyError(
            f"row {row}: battery holds {before_uj[row]} uJ; allowed is 0..{battery.capacity_uj[row]} uJ (capacity)"
        )
    self_discharge = floor_times(before_uj, battery.self_discharge)
    stored = before_uj - self_discharge
    bus = harvest_uj + import_uj

    exported = np.minimum(export_uj, bus)
    bus = bus - exported
    room = battery.capacity_uj - stored
    charge = np.minimum.reduce(
        [charge_uj, bus, battery.charge_limit_uj, ceil_over(room, battery.charge_efficiency)]
    )
    bus = bus - charge
    gained = floor_times(charge, battery.charge_efficiency)

    missing = export_uj - exported
    needed = missing + np.maximum(0, demand_uj - bus)
    largest = floor_times(stored + gained, battery.discharge_efficiency)
    discharge = np.minimum.reduce([needed, discharge_uj, battery.discharge_limit_uj, largest])
    if (discharge < missing).any():
        row = int(np.argmax(discharge < missing))
        raise EnergyError(
            f"row {row}: export of {export_uj[row]} uJ; at most {exported[row] + discharge[row]} uJ can leave this bus"
        )
    drawn = ceil_over(discharge, battery.discharge_efficiency)
    bus = bus + discharge - missing

    green = np.minimum(demand_uj, bus)
    bus = bus - green
    room = battery.capacity_uj - (stored + gained - drawn)
    surplus = np.minimum.reduce(
        [bus, battery.charge_limit_uj - charge, ceil_over(room, battery.charge_efficiency)]
    )
    bus = bus - surplus
    charge = charge + surplus
    gained = np.minimum(
        floor_times(charge, battery.charge_efficiency), battery.capacity_uj - (stored - drawn)
    )
    return {
        "demand_uj": demand_uj,
        "grid_uj": demand_uj - green,
        "green_uj": green,
        "harvest_uj": harvest_uj,
        "charge_uj": charge,
        "charge_loss_uj": charge - gained,
        "discharge_uj": discharge,
        "discharge_loss_uj": drawn - discharge,
        "self_discharge_uj": self_discharge,
        "export_uj": export_uj,
        "import_uj": import_uj,
        "curtailed_uj": bus,
        "battery_before_uj": before_uj,
        "battery_after_uj": stored + gained - drawn,
    }
