"""LOCAL's rule over a whole look-ahead: what every node would do alone, the zero of the captured gain."""

from __future__ import annotations

import numpy as np

from coordinator.market.wide.hub import HubPlan, HubProgram, objective_g


def local_plan(program: HubProgram) -> HubPlan:
    """Own work as soon as it is there, green first, surplus stored, discharged at once; nothing traded."""
    p, window = program, program.deadline_slots + 1
    own = np.zeros((window, p.slots, p.nodes))
    grid, green, charge, discharge, stored, curtailed = (np.zeros((p.slots, p.nodes)) for _ in range(6))
    remaining = p.class_batches.copy()
    level = p.battery_j
    for t in range(p.slots):
        tau = p.seconds_per_batch[t]
        time = np.divide(p.slot_s, tau, out=np.full(p.nodes, np.inf), where=tau > 0)
        for left in range(window):
            own[left, t] = np.minimum(remaining[t + left], time)
            remaining[t + left] -= own[left, t]
            time = time - own[left, t]
        load = p.static_j[t] + p.joules_per_batch[t] * own[:, t].sum(axis=0)
        kept = p.keep_fraction * level
        direct = np.minimum(p.harvest_j[t], load)
        charge[t] = np.minimum.reduce(
            [
                p.harvest_j[t] - direct,
                p.charge_cap_j,
                np.maximum(p.battery_capacity_j - kept, 0.0) / p.charge_efficiency,
            ]
        )
        discharge[t] = np.minimum.reduce([load - direct, p.discharge_cap_j[t], kept * p.discharge_efficiency])
        level = kept + p.charge_efficiency * charge[t] - discharge[t] / p.discharge_efficiency
        stored[t], green[t] = level, direct + discharge[t]
        grid[t], curtailed[t] = load - green[t], p.harvest_j[t] - direct - charge[t]
    nothing = np.zeros_like(grid)
    return HubPlan(
        grid_j=grid,
        green_j=green,
        charge_j=charge,
        discharge_j=discharge,
        stored_j=stored,
        curtailed_j=curtailed,
        export_j=nothing,
        import_j=nothing,
        own_batches=own,
        offload_batches=np.zeros_like(own),
        guest_batches=nothing,
        unserved_batches=remaining,
    )


def local_g(program: HubProgram) -> float:
    """Objective of ``local_plan``, g CO2e."""
    return objective_g(program, local_plan(program))
