"""What a node can have read in a slot, from its board and the scenario: absurd readings stop here, before the ledger.
Pure.

What no profile knows is not bounded: counted work and its share among stages, tokens, losses. Seconds of a meter that
times real work are its own word, up to a day; those of a window on the wall clock are bounded by the coordinator's
clock (``window_bounds``).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from coordinator.config import CoordinatorConfig, NodeBounds
from coordinator.slots.window_bounds import LONGEST_WINDOW_S
from protos.messages.slot import Telemetry, Usage
from protos.messages.stream import NodeProfile
from protos.validation import INT64_MAX

MICRO = 1_000_000
MOST_COUNT = 10**15
"""Largest count of anything in one slot: bytes, batches, requests, tokens (choice: a petabyte). Sums of a thousand
nodes stay below 2^63."""


def reading_findings(config: CoordinatorConfig, bounds: NodeBounds | None, usage: Usage) -> list[str]:
    """Why a reading cannot be true; empty where it may be."""
    moved_bytes = usage.model_bytes + sum(m.payload_bytes for m in usage.moved)
    moved_bytes += sum(traffic.up_bytes + traffic.down_bytes for traffic in usage.users)
    found = _counts(usage) + _bookable(config, usage, moved_bytes)
    if bounds is None:
        return found
    demand_uj = sum(line.energy_uj for line in usage.lines)
    told_s = usage.duration_s or 0.0
    if usage.metered is not None:
        told_s = max(told_s, usage.metered.window_s)
    told_s = min(told_s, LONGEST_WINDOW_S)
    duration_s = max(config.slot_s, bounds.least_s, told_s)
    could_j = bounds.power_w * duration_s + bounds.wake_j + bounds.radio_j_per_byte * moved_bytes
    found += _above("load", demand_uj, config.plausible_power_times, could_j)
    return found + _above(
        "harvest",
        usage.harvest_uj,
        config.plausible_harvest_times,
        bounds.harvest_w * max(config.slot_s, told_s if usage.duration_s is not None else 0.0),
    )


def telemetry_bounds(config: CoordinatorConfig, bounds: NodeBounds | None, told: Telemetry) -> list[str]:
    """Likewise of what a node says before a slot. Its own slot's harvest is known to it; what it expects of later ones
    is a forecast, which may be further off."""
    counts = (*told.backlog_batches, *told.release_forecast_batches)
    found = [f"{count} batches, allowed are {MOST_COUNT}" for count in counts if count > MOST_COUNT][:1]
    if bounds is None:
        return found
    peak_j = bounds.harvest_w * config.slot_s
    for ahead, energy_uj in enumerate(told.harvest_forecast_uj):
        times = config.plausible_power_times if ahead else config.plausible_harvest_times
        if wrong := _above("expected harvest", energy_uj, times, peak_j):
            return found + wrong
    return found


def drift_bounds(config: CoordinatorConfig, profile: NodeProfile, drift_uj: int) -> list[str]:
    """Likewise of a battery's gauge against the books: what flows in a slot at the battery's limits, both ways, with
    the margin of powers; a tenth of its capacity at least, for gauges have steps."""
    flows_j = (profile.charge_limit_w + profile.discharge_limit_w) * config.slot_s
    could_j = max(flows_j, profile.battery_capacity_uj / MICRO / 10 / config.plausible_power_times)
    return _above("battery drift", abs(drift_uj), config.plausible_power_times, could_j)


def profile_findings(config: CoordinatorConfig, bounds: NodeBounds | None, profile: NodeProfile) -> list[str]:
    """Likewise of the constants that a node registers: its batteries and powers bound its later balances."""
    if bounds is None:
        return []
    times = config.plausible_power_times
    pairs = (
        ("static_w", profile.static_w, bounds.power_w),
        ("sleep_w", profile.sleep_w, bounds.power_w),
        ("wake_j", profile.wake_j, bounds.wake_j),
        ("tx_j_per_byte", profile.tx_j_per_byte, bounds.radio_j_per_byte),
        ("rx_j_per_byte", profile.rx_j_per_byte, bounds.radio_j_per_byte),
        ("battery_capacity_uj", profile.battery_capacity_uj, bounds.battery_j * MICRO),
        ("charge_limit_w", profile.charge_limit_w, bounds.charge_w),
        ("discharge_limit_w", profile.discharge_limit_w, bounds.discharge_w),
    )
    return [
        f"{name} is {value:.6g}, {times:g} times what the scenario gives is {times * known:.6g}"
        for name, value, known in pairs
        if value > times * known
    ]


def _above(what: str, energy_uj: int, times: float, could_j: float) -> list[str]:
    if energy_uj <= times * could_j * MICRO + 1:
        return []
    return [
        f"{what} of {energy_uj} uJ; this board could have {could_j:.6g} J in the slot, allowed are {times:g} times that"
    ]


def _counts(usage: Usage) -> list[str]:
    groups: list[Any] = [usage, *usage.executed, *usage.moved, *usage.users, *usage.served, *usage.requests]
    if usage.own_work is not None:
        groups.append(usage.own_work)
    for group in groups:
        for field in fields(group):
            value = getattr(group, field.name)
            if field.name in ("seq", "slot", "epoch", "harvest_uj"):
                continue
            most = max(
                (v for v in (value if isinstance(value, tuple) else (value,)) if type(v) is int), default=0
            )
            if most > MOST_COUNT:
                return [f"{type(group).__name__}.{field.name} is {most}, allowed are {MOST_COUNT}"]
    return []


def _bookable(config: CoordinatorConfig, usage: Usage, moved_bytes: int) -> list[str]:
    """Joules and grams of one node's slot leave room for those of all others: no sum of a slot may pass 2^63."""
    most = INT64_MAX // (2 * len(config.node_ids) + 2)
    own_j = sum(line.energy_uj for line in usage.lines) / MICRO
    total_j = own_j + usage.harvest_uj / MICRO + moved_bytes * config.limits.net_j_per_byte
    dirtiest = max((max(zone.intensity_g_per_kwh, default=0.0) for zone in config.zones), default=0.0)
    total_pg = total_j / 3_600_000 * dirtiest * 10**12
    if max(total_j * MICRO, total_pg) <= most:
        return []
    return [f"{total_j:.6g} J and up to {total_pg / 10**12:.6g} g are more than the ledger holds of one slot"]
