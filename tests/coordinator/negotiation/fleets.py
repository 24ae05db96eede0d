"""Fleets at an hour of the day."""

from __future__ import annotations

from dataclasses import replace

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day


def at(slot: int) -> Fleet:
    """One slot of the reference day, batteries half full."""
    day = reference_day(24)
    return replace(
        reference_day(1),
        slot=slot,
        intensity_g_per_kwh=day.intensity_g_per_kwh[:, slot : slot + 1].copy(),
        harvest_j=day.harvest_j[:, slot : slot + 1].copy(),
        battery_j=0.5 * day.battery_capacity_j,
    )
