"""The battery and bus rule: a battery and a green bus over one slot, in integer microjoules, (D1)-(D3) of methods.md.

Execution rule (what a decision becomes once the slot has been metered): the bus holds harvest and import;
exports leave first; then ``charge`` is stored; the battery discharges only as far as load and exports still
need it; green energy covers the load as far as the bus goes; what is left is stored as far as limits allow,
the rest is curtailed; the grid covers the rest of the load. Grid energy never enters the bus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


class EnergyError(ValueError):
    """Energies that are impossible for the battery or bus; the message has the values and the allowed range."""


@dataclass(frozen=True, slots=True)
class Battery:
    """Constants of a battery for slots of one length. Zero capacity means no battery."""

    capacity_uj: int
    charge_efficiency: Fraction
    """eta_c. Fractions are exactly the floats of the node's profile: products below round once, downwards."""
    discharge_efficiency: Fraction
    """eta_d."""
    self_discharge: Fraction
    """sigma per slot."""
    charge_limit_uj: int
    """Most that can be taken from the bus in a slot: P * D."""
    discharge_limit_uj: int
    """Most that can be given to the bus in a slot."""

    def __post_init__(self) -> None:
        if (
            min(self.capacity_uj, self.charge_limit_uj, self.discharge_limit_uj) < 0
            or self.self_discharge < 0
        ):
            raise EnergyError(f"battery {self}; capacity, limits and self-discharge must be 0 or more")
        if not 0 < self.charge_efficiency <= 1 or not 0 < self.discharge_efficiency <= 1:
            raise EnergyError(f"battery {self}; efficiencies must lie above 0 and not above 1")
        if self.self_discharge > 1:
            raise EnergyError(f"battery {self}; self-discharge must lie in 0..1")

    def stored_from(self, charge_uj: int) -> int:
        """Part of a charge that arrives in the cells."""
        return math.floor(charge_uj * self.charge_efficiency)

    def drawn_for(self, discharge_uj: int) -> int:
        """Energy that leaves the cells for a discharge that arrives on the bus."""
        return math.ceil(discharge_uj / self.discharge_efficiency)

    def largest_charge(self, room_uj: int) -> int:
        """Least charge that fills ``room_uj`` of the cells."""
        return math.ceil(room_uj / self.charge_efficiency)

    def largest_discharge(self, stored_uj: int) -> int:
        """Most that ``stored_uj`` in the cells can give to the bus."""
        return math.floor(stored_uj * self.discharge_efficiency)


def faded_fraction(self_discharge: float, share: Fraction) -> Fraction:
    """sigma of a slot that lasted ``share`` of its configured length: in proportion, all at most."""
    return min(Fraction(1), Fraction(self_discharge) * share)


NO_BATTERY = Battery(0, Fraction(1), Fraction(1), Fraction(0), 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Energy balance of a slot: the terms of (D1)-(D3) as exact integers.

    demand = grid + green;  harvest + discharge + import = green + charge + export + curtailed;
    battery_after = battery_before - self_discharge + charge - charge_loss - discharge - discharge_loss.
    """

    demand_uj: int
    grid_uj: int
    green_uj: int
    harvest_uj: int
    charge_uj: int
    """Taken from the bus into the battery (before charging loss)."""
    charge_loss_uj: int
    discharge_uj: int
    """Given by the battery to the bus (after discharging loss)."""
    discharge_loss_uj: int
    self_discharge_uj: int
    export_uj: int
    import_uj: int
    curtailed_uj: int
    battery_before_uj: int
    battery_after_uj: int


TERMS = tuple(Balance.__slots__)
"""Names of the balance's terms, in the order of tables and ledger."""


def balance(
    battery: Battery,
    battery_before_uj: int,
    *,
    demand_uj: int,
    harvest_uj: int,
    import_uj: int = 0,
    export_uj: int = 0,
    charge_uj: int = 0,
    discharge_uj: int = 0,
) -> Balance:
    """Execute a slot's energy decision against what was metered. Pure.

    Args:
        battery: Constants.
        battery_before_uj: Stored energy before the slot.
        demand_uj: Metered load, (D1)'s right side.
        harvest_uj: Harvested in the slot.
        import_uj: Arrived from other nodes, losses already taken off.
        export_uj: To leave this node's bus; comes first.
        charge_uj: Decided charge; surplus is stored beyond it while there is room.
        discharge_uj: Most that may be drawn from the battery, as it arrives on the bus.

    Raises:
        EnergyError: a negative quantity, more stored than the capacity, or an export that harvest, import and
            the permitted discharge cannot give.
    """
    given = {
        "battery_before_uj": battery_before_uj,
        "demand_uj": demand_uj,
        "harvest_uj": harvest_uj,
        "import_uj": import_uj,
        "export_uj": export_uj,
        "charge_uj": charge_uj,
        "discharge_uj": discharge_uj,
    }
    for name, value in given.items():
        if value < 0:
            raise EnergyError(f"{name} is {value}; allowed is 0 or more")
    if battery_before_uj > battery.capacity_uj:
        raise EnergyError(
            f"battery holds {battery_before_uj} uJ; allowed is 0..{battery.capacity_uj} uJ (capacity)"
        )

    self_discharge = math.floor(battery_before_uj * battery.self_discharge)
    stored = battery_before_uj - self_discharge
    bus = harvest_uj + import_uj

    exported = min(export_uj, bus)
    bus -= exported
    charge = min(
        charge_uj, bus, battery.charge_limit_uj, battery.largest_charge(battery.capacity_uj - stored)
    )
    bus -= charge
    gained = battery.stored_from(charge)

    export_missing = export_uj - exported
    needed = export_missing + max(0, demand_uj - bus)
    discharge = min(
        needed, discharge_uj, battery.discharge_limit_uj, battery.largest_discharge(stored + gained)
    )
    if discharge < export_missing:
        raise EnergyError(
            f"export of {export_uj} uJ; at most {exported + discharge} uJ can leave this bus (harvest "
            f"{harvest_uj} uJ, import {import_uj} uJ, discharge {discharge} uJ): clip it in the settlement"
        )
    drawn = battery.drawn_for(discharge)
    bus += discharge - export_missing

    green = min(demand_uj, bus)
    bus -= green
    # Surplus and discharge exclude each other: a discharge never exceeds what load and exports lack.
    room = battery.capacity_uj - (stored + gained - drawn)
    surplus = min(bus, battery.charge_limit_uj - charge, battery.largest_charge(room))
    bus -= surplus
    charge += surplus
    # Counted on the sum: two roundings would lose two microjoules. Never more than the room there is.
    gained = min(battery.stored_from(charge), battery.capacity_uj - (stored - drawn))
    return Balance(
        demand_uj=demand_uj,
        grid_uj=demand_uj - green,
        green_uj=green,
        harvest_uj=harvest_uj,
        charge_uj=charge,
        charge_loss_uj=charge - gained,
        discharge_uj=discharge,
        discharge_loss_uj=drawn - discharge,
        self_discharge_uj=self_discharge,
        export_uj=export_uj,
        import_uj=import_uj,
        curtailed_uj=bus,
        battery_before_uj=battery_before_uj,
        battery_after_uj=stored + gained - drawn,
    )
