"""LOCAL's rule over a whole look-ahead: what every node would do alone, the zero of the captured gain."""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.own_energy import Batteries, own_energy
from coordinator.market.wide.hub import HubPlan, HubProgram, objective_g


def local_plan(program: HubProgram) -> HubPlan:
    """Own work as soon as it is there, green first, surplus stored, discharged at once; nothing traded."""
    p = program
    own, unserved = _own_work(p)
    load = p.static_j + p.joules_per_batch * own.sum(axis=0)
    batteries = Batteries(
        capacity_j=p.battery_capacity_j,
        charge_efficiency=p.charge_efficiency,
        discharge_efficiency=p.discharge_efficiency,
        keep_fraction=p.keep_fraction,
        charge_cap_j=p.charge_cap_j,
        discharge_cap_j=p.discharge_cap_j,
    )
    energy = own_energy(load, p.harvest_j, batteries, p.battery_j)
    nothing = np.zeros_like(load)
    return HubPlan(
        grid_j=energy.grid_j,
        green_j=energy.green_j,
        charge_j=energy.charge_j,
        discharge_j=energy.discharge_j,
        stored_j=energy.stored_j,
        curtailed_j=energy.curtailed_j,
        export_j=nothing,
        import_j=nothing,
        own_batches=own,
        offload_batches=np.zeros_like(own),
        guest_batches=nothing,
        unserved_batches=unserved,
    )


def _own_work(p: HubProgram) -> tuple[Floats, Floats]:
    """(q+1, T, N) batches run at home by slots left to their deadline, and (K, N) those that no slot has time for."""
    window = p.deadline_slots + 1
    own = np.zeros((window, p.slots, p.nodes))
    remaining = p.class_batches.copy()
    for t in range(p.slots):
        tau = p.seconds_per_batch[t]
        time = np.divide(p.slot_s, tau, out=np.full(p.nodes, np.inf), where=tau > 0)
        time = np.where(p.may_run[t], time, 0.0)
        for left in range(window):
            own[left, t] = np.minimum(remaining[t + left], time)
            remaining[t + left] -= own[left, t]
            time = time - own[left, t]
    return own, remaining


def local_g(program: HubProgram) -> float:
    """Objective of ``local_plan``, g CO2e."""
    return objective_g(program, local_plan(program))
