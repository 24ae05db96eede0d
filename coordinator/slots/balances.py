"""A node's energy balance of a slot: findings about one, and a cautious estimate for a node that did not settle. Pure,
integers: microjoules, (D1) to (D3).
"""

from __future__ import annotations

import math
from fractions import Fraction

from carbon_data.storage import TERMS, Balance, faded_fraction
from protos.messages.slot import Settlement
from protos.messages.stream import NodeProfile

ROUNDING_PARTS = 10**9
"""A node may round a term by one part in this many (and two microjoules)."""


def balance_of(settlement: Settlement) -> Balance:
    """The balance alone, without the message that carried it."""
    return Balance(**{name: getattr(settlement, name) for name in TERMS})


def balance_findings(
    balance: Balance, profile: NodeProfile, slot_s: float, lasted_s: float | None = None
) -> list[str]:
    """Findings about a balance: (D1)-(D3) exact in integers, battery terms to the microjoule of rounding.

    ``lasted_s``: how long the slot was, where it was not ``slot_s``. Empty when all is well.
    """
    negative = [
        f"{name} is {value} uJ, allowed is >= 0" for name in TERMS if (value := getattr(balance, name)) < 0
    ]
    if negative:
        return negative
    found = _identities(balance)
    if balance.battery_after_uj > profile.battery_capacity_uj:
        found.append(
            f"(D3) the battery holds {balance.battery_after_uj} uJ of {profile.battery_capacity_uj} uJ capacity"
        )
    if balance.discharge_uj and profile.discharge_efficiency_fraction == 0:
        return [*found, f"discharge of {balance.discharge_uj} uJ at a discharging efficiency of 0"]
    seconds = slot_s if lasted_s is None else lasted_s
    faded = faded_fraction(profile.self_discharge_fraction, Fraction(seconds) / Fraction(slot_s))
    return found + _losses(balance, profile, faded) + _power_limits(balance, profile, seconds)


def _identities(b: Balance) -> list[str]:
    """(D1), (D2), (D3): exact."""
    found = []
    if b.demand_uj != b.grid_uj + b.green_uj:
        found.append(f"(D1) demand {b.demand_uj} uJ is not grid {b.grid_uj} + green {b.green_uj}")
    into = b.harvest_uj + b.discharge_uj + b.import_uj
    out = b.green_uj + b.charge_uj + b.export_uj + b.curtailed_uj
    if into != out:
        found.append(f"(D2) {into} uJ come to the green bus and {out} uJ leave it")
    lost = b.self_discharge_uj + b.charge_loss_uj + b.discharge_loss_uj
    after = b.battery_before_uj + b.charge_uj - b.discharge_uj - lost
    if after != b.battery_after_uj:
        found.append(f"(D3) the battery holds {b.battery_after_uj} uJ afterwards; its flows give {after} uJ")
    return found


def _losses(b: Balance, profile: NodeProfile, self_discharge: Fraction) -> list[str]:
    """Losses of the battery against the profile's efficiencies, to a node's rounding."""
    stored = Fraction(profile.charge_efficiency_fraction) * b.charge_uj
    drawn = Fraction(0)
    if b.discharge_uj:
        drawn = b.discharge_uj / Fraction(profile.discharge_efficiency_fraction)
    faded = self_discharge * b.battery_before_uj
    terms = (
        ("charge loss", b.charge_loss_uj, b.charge_uj - stored, b.charge_uj),
        ("discharge loss", b.discharge_loss_uj, drawn - b.discharge_uj, b.discharge_uj),
        ("self-discharge", b.self_discharge_uj, faded, b.battery_before_uj),
    )
    return [
        f"(D3) {name} is {got} uJ, the profile's efficiencies give {float(exact):.1f} uJ"
        for name, got, exact, amount in terms
        if abs(got - exact) > 2 + Fraction(2 * amount, ROUNDING_PARTS)
    ]


def _power_limits(b: Balance, profile: NodeProfile, slot_s: float) -> list[str]:
    terms = (
        ("charge", b.charge_uj, profile.charge_limit_w),
        ("discharge", b.discharge_uj, profile.discharge_limit_w),
    )
    return [
        f"{name} of {got} uJ in {slot_s} s, the limit is {limit_w} W"
        for name, got, limit_w in terms
        if got > Fraction(limit_w) * Fraction(slot_s) * 1_000_000 + 1
    ]


def close_unreported(
    profile: NodeProfile, demand_uj: int, harvest_uj: int, export_uj: int, import_uj: int, battery_uj: int
) -> Balance:
    """Balance of a node that reported its usage but did not settle: the metered joules, on the cautious
    side.

    All demand counts as grid energy and what the harvest leaves over as curtailed; the battery gives only
    what an export already granted needs. An estimate, and labelled so by the caller."""
    discharge = max(0, export_uj - harvest_uj - import_uj)
    drawn = math.ceil(discharge / Fraction(profile.discharge_efficiency_fraction)) if discharge else 0
    if drawn > battery_uj:
        raise ValueError(
            f"export of {export_uj} uJ needs {drawn} uJ from a battery that holds {battery_uj} uJ"
        )
    return Balance(
        demand_uj=demand_uj,
        grid_uj=demand_uj,
        green_uj=0,
        harvest_uj=harvest_uj,
        charge_uj=0,
        charge_loss_uj=0,
        discharge_uj=discharge,
        discharge_loss_uj=drawn - discharge,
        self_discharge_uj=0,
        export_uj=export_uj,
        import_uj=import_uj,
        curtailed_uj=harvest_uj + import_uj + discharge - export_uj,
        battery_before_uj=battery_uj,
        battery_after_uj=battery_uj - drawn,
    )
