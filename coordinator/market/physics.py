"""Physical outcome of a slot's decision for all N nodes at once: the battery rule of a node, in floats.

A node itself executes the same rule in integers: harvest and import reach the green bus, exports
leave first, the decided charge is stored, the battery discharges only as far as load and exports need it,
what is left over is stored as far as limits allow and else curtailed. Grid energy never enters the bus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats


@dataclass(frozen=True, slots=True)
class SlotFlows:
    """Energies of one slot, (N,) in J unless said otherwise; terms of (D1)-(D3)."""

    demand_j: Floats
    grid_j: Floats
    green_j: Floats
    harvest_j: Floats
    charge_j: Floats
    discharge_j: Floats
    export_j: Floats
    import_j: Floats
    curtailed_j: Floats
    battery_j: Floats
    """After the slot."""
    operational_g: Floats
    """Grams of the node's grid energy."""
    network_g: float
    """Grams of moving batches through the network."""


def demand_j(fleet: Fleet, decision: FleetDecision) -> Floats:
    """Right side of (D1): (N,) J of static or sleep power, wake-up, work, receiving and sending, models. A batch that
    is handed over is read by its owner, and its caches travel."""
    home, awake = decision.home_batches, decision.awake
    guests, away = decision.guest_batches(), decision.away_batches()
    woken = awake & fleet.asleep & fleet.limits.may_sleep
    model = 0.0 if fleet.model_j is None else np.where(home + guests > 0, fleet.model_j[:, 0], 0.0)
    apart = np.zeros(fleet.size)
    if fleet.split is not None:
        read, handed = fleet.split.read_j, decision.handed
        cache_bytes = fleet.split.cache_bytes[handed.source] * handed.amount
        apart += read * (handed.given(fleet.size) - handed.taken(fleet.size))
        apart += fleet.tx_j_per_byte * np.bincount(handed.source, cache_bytes, fleet.size)
        apart += fleet.rx_j_per_byte * np.bincount(handed.target, cache_bytes, fleet.size)
    return np.asarray(
        fleet.slot_s * np.where(awake, fleet.static_w, fleet.sleep_w)
        + np.where(woken, fleet.wake_j, 0.0)
        + fleet.joules_per_batch[:, 0] * (home + guests)
        + fleet.guest_j()[:, 0] * guests
        + fleet.owner_j()[:, 0] * away
        + model
        + apart
    )


def execute(fleet: Fleet, decision: FleetDecision) -> SlotFlows:
    """Run one slot, in time and space that grow with nodes and pairs. ``fleet`` holds the true intensity and harvest in
    column 0.

    Transfers are settled first: a donor sends at most its harvest and what the decision lets it draw from its
    battery; what it cannot give is cut from its transfers in proportion.
    """
    harvest = fleet.harvest_j[:, 0]
    demand = demand_j(fleet, decision)
    has_store = fleet.battery_capacity_j > 0
    eta_c = np.where(has_store, fleet.charge_efficiency, 1.0)
    eta_d = np.where(has_store, fleet.discharge_efficiency, 1.0)
    charge_limit = np.where(has_store, fleet.slot_s * fleet.charge_limit_w, 0.0)
    discharge_limit = np.where(has_store, fleet.slot_s * fleet.discharge_limit_w, 0.0)
    stored = fleet.battery_j * (1.0 - fleet.self_discharge_fraction)
    allowed = np.minimum(decision.discharge_j, discharge_limit)

    decided = decision.transfers
    wanted = decided.given(fleet.size)
    sendable = np.minimum(wanted, harvest + np.minimum(allowed, stored * eta_d))
    share = np.divide(sendable, wanted, out=np.zeros_like(wanted), where=wanted > 0)
    sent = decided.with_amounts(decided.amount * share[decided.source])
    exported = sent.given(fleet.size)
    received = sent.amount * fleet.transfer_efficiency(sent.source, sent.target)
    imported = sent.with_amounts(received).taken(fleet.size)

    bus = harvest + imported
    missing = np.maximum(exported - bus, 0.0)
    bus = np.maximum(bus - exported, 0.0)
    charged = np.minimum.reduce([decision.charge_j, bus, charge_limit, _room(fleet, stored) / eta_c])
    bus = bus - charged
    stored = stored + eta_c * charged
    needed = missing + np.maximum(demand - bus, 0.0)
    drawn = np.minimum.reduce([needed, allowed, stored * eta_d])
    stored = stored - drawn / eta_d
    bus = bus + drawn - np.minimum(missing, drawn)
    green = np.minimum(demand, bus)
    bus = bus - green
    surplus = np.minimum.reduce([bus, charge_limit - charged, _room(fleet, stored) / eta_c])
    stored = stored + eta_c * surplus
    grid = demand - green

    c_g_per_j = fleet.intensity_g_per_kwh[:, 0] / JOULES_PER_KWH
    moves = decision.moves
    middle = 0.5 * (c_g_per_j[moves.source] + c_g_per_j[moves.target])
    network_j = moves.amount * float(fleet.bytes_per_batch[0]) * fleet.limits.net_j_per_byte
    caches_g = 0.0
    if fleet.split is not None:
        handed = decision.handed
        between = 0.5 * (c_g_per_j[handed.source] + c_g_per_j[handed.target])
        cache_bytes = fleet.split.cache_bytes[handed.source] * handed.amount
        caches_g = float((between * cache_bytes).sum()) * fleet.limits.net_j_per_byte
    return SlotFlows(
        demand_j=demand,
        grid_j=grid,
        green_j=green,
        harvest_j=harvest.copy(),
        charge_j=charged + surplus,
        discharge_j=drawn,
        export_j=exported,
        import_j=imported,
        curtailed_j=bus - surplus,
        battery_j=np.clip(stored, 0.0, np.maximum(fleet.battery_capacity_j, fleet.battery_j)),
        operational_g=grid * c_g_per_j,
        network_g=float((middle * network_j).sum()) + caches_g,
    )


def _room(fleet: Fleet, stored: Floats) -> Floats:
    return np.asarray(np.maximum(fleet.battery_capacity_j - stored, 0.0))
