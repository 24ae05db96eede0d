"""Findings about a node's record, given decisions and bookings: texts, none for a correct record. Pure."""

from __future__ import annotations

from carbon_data.types import Provenance
from coordinator.config import CoordinatorConfig
from coordinator.slots.balances import balance_findings, balance_of
from coordinator.slots.lines import SHARED_COMPONENTS
from coordinator.slots.state import SlotState
from protos.messages.slot import Metered, Moved, Settlement, Telemetry, Usage
from protos.messages.stream import NodeProfile
from protos.messages.terms import Component, MeterKind


def telemetry_findings(config: CoordinatorConfig, profile: NodeProfile, message: Telemetry) -> list[str]:
    """Lengths of the series, and the battery against its capacity."""
    horizon, classes = config.look_ahead_slots, config.limits.deadline_slots + 1
    found = [
        f"{name} has {len(values)} values, needed are {needed}"
        for name, values, needed, exact in (
            ("harvest_forecast_uj", message.harvest_forecast_uj, horizon, False),
            ("release_forecast_batches", message.release_forecast_batches, horizon - 1, False),
            ("backlog_batches", message.backlog_batches, classes, True),
        )
        if (len(values) != needed if exact else len(values) < needed)
    ]
    if message.battery_uj > profile.battery_capacity_uj:
        found.append(
            f"battery holds {message.battery_uj} uJ, its capacity is {profile.battery_capacity_uj} uJ"
        )
    return found


def usage_findings(config: CoordinatorConfig, slot: SlotState, message: Usage) -> list[str]:
    """Lines, work, parcels and users' bytes of a reading against the slot's decision."""
    node = message.node_id
    owners = {node, *(guest.owner for guest in slot.decisions[node].guests)}
    found = [
        f"{line.component} is no line of a node"
        for line in message.lines
        if line.component in SHARED_COMPONENTS
    ]
    found += _metered(message)
    found += _harvest_metered(message)
    found += _duration(config, message)
    found += _own_work(config, slot.decisions[node].self_managed, message)
    if len({e.owner for e in message.executed}) != len(message.executed):
        found.append("an owner is named twice in executed")
    found += [f"ran batches of {e.owner}, not decided" for e in message.executed if e.owner not in owners]
    found += [
        f"moved batches with {m.peer}, not decided" for m in message.moved if not _decided(slot, node, m)
    ]
    return found + _sleep(message) + _users(message, owners)


def _sleep(message: Usage) -> list[str]:
    """A board that says what it did is booked as that."""
    said = message.sleep
    if said is None:
        return []
    found = []
    if said.asleep and message.executed:
        found.append("ended the slot asleep, and ran batches in it")
    if not said.asleep and any(line.component is Component.SLEEP for line in message.lines):
        found.append("has energy of sleep in a slot that it ended awake")
    if (said.wake_uj is None) != (said.provenance is None) or (
        said.wake_uj is not None and said.wake_s is None
    ):
        found.append("energy of waking up has a time and a provenance")
    return found


def _duration(config: CoordinatorConfig, message: Usage) -> list[str]:
    """On the wall clock a window has a duration, and a sensor's window is it."""
    lasted_s, told = message.duration_s, message.metered
    if (lasted_s is None) != (config.overrun is None):
        clock = "virtual" if config.overrun is None else "wall"
        return [f"its window lasted {lasted_s} s, and slots of this run are on the {clock} clock"]
    replayed = any(line.provenance == Provenance.REPLAYED for line in message.lines)
    if lasted_s is not None and told is not None and not replayed and told.window_s != lasted_s:
        return [f"its window lasted {lasted_s} s, its meter's {told.window_s} s"]
    return []


def _metered(message: Usage) -> list[str]:
    """What a sensor's reading says of itself, against its lines."""
    told = message.metered
    if told is None:
        return []
    total = sum(line.energy_uj for line in message.lines)
    allowed = {str(told.kind.provenance), str(Provenance.REPLAYED)}
    found = []
    if told.energy_uj != total:
        found.append(f"the meter read {told.energy_uj} uJ, the lines are {total} uJ")
    if wrong := {line.provenance for line in message.lines} - allowed:
        found.append(f"lines of kind {told.kind} are {sorted(wrong)}; allowed are {sorted(allowed)}")
    return found + _quality(told)


def _harvest_metered(message: Usage) -> list[str]:
    """Likewise of a panel's sensor, whose energy is the harvest."""
    told = message.harvest_metered
    if told is None:
        return []
    found = []
    if told.energy_uj != message.harvest_uj:
        found.append(f"the panel's meter read {told.energy_uj} uJ, the harvest is {message.harvest_uj} uJ")
    if not message.duration_s:
        found.append("its harvest was measured in no window: that needs the wall clock")
    return found + _quality(told)


def _quality(told: Metered) -> list[str]:
    """Interval, rate, coverage and gaps of a sensor's reading."""
    found = []
    widths = (told.half_width_uj, told.bias_uj)
    if told.kind is MeterKind.ESTIMATE:
        if widths != (None, None):
            found.append(f"an estimate has the interval {widths}; what it leaves out is not known")
    elif told.half_width_uj is None or told.bias_uj is None:
        found.append(f"a reading of kind {told.kind} has no interval")
    elif not 0 <= told.bias_uj <= told.half_width_uj:
        found.append(f"bias {told.bias_uj} uJ is not within the half width, {told.half_width_uj} uJ")
    if not (0 <= told.coverage_fraction <= 1 and told.rate_hz >= 0 and told.gaps >= 0 and told.window_s > 0):
        found.append(
            f"{told.coverage_fraction:g} of {told.window_s:g} s covered, {told.rate_hz:g} samples per second, "
            f"{told.gaps} gaps: no window of a sensor"
        )
    return found


def _own_work(config: CoordinatorConfig, managed: bool, message: Usage) -> list[str]:
    found = []
    if (message.own_work is not None) != managed:
        found.append(
            f"own_work is {message.own_work}; it belongs to self-managed decisions, this is {managed}"
        )
    classes = config.limits.deadline_slots + 1
    if message.own_work is not None and len(message.own_work.backlog_batches) != classes:
        found.append(f"own_work has {len(message.own_work.backlog_batches)} classes, needed are {classes}")
    return found


def _decided(slot: SlotState, node: str, moved: Moved) -> bool:
    decision = slot.decisions[node]
    peers = {s.executor for s in decision.sends} if moved.sent else {g.owner for g in decision.guests}
    return moved.peer in peers


def _users(message: Usage, owners: set[str]) -> list[str]:
    found = [f"users of {t.owner} got answers, not decided" for t in message.users if t.owner not in owners]
    found += [
        f"users of {t.owner} sent {t.up_bytes} bytes here; users send to their own node"
        for t in message.users
        if t.owner != message.node_id and t.up_bytes
    ]
    if len({(t.owner, t.stage, t.outside) for t in message.users}) != len(message.users):
        found.append("an owner's users are named twice in one stage")
    return found


def settlement_findings(
    slot: SlotState, message: Settlement, profile: NodeProfile, slot_s: float
) -> list[str]:
    """The balance in itself, (D1)-(D3), and against what was metered and granted."""
    balance, usage = balance_of(message), slot.usage[message.node_id]
    export, imported = slot.grants(message.node_id)
    agreed = (
        ("demand", balance.demand_uj, sum(line.energy_uj for line in usage.lines)),
        ("harvest", balance.harvest_uj, usage.harvest_uj),
        ("export", balance.export_uj, export),
        ("import", balance.import_uj, imported),
    )
    return balance_findings(balance, profile, slot_s, usage.duration_s) + [
        f"{name} is {got} uJ, agreed were {right} uJ" for name, got, right in agreed if got != right
    ]
