"""What each node of a scenario can draw, harvest and store, for the coordinator to check its readings against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordinator.config import NodeBounds

if TYPE_CHECKING:
    from experiments.resolve.resolved import Resolved

COUNTS_WORK = "modelled"
"""The meter whose joules follow from counted work; all others read real time."""
LEAST_REAL_S = 3600.0
"""A slot of a meter that reads real time counts as at least an hour (choice): how long real work and waiting for others
take is in no profile."""


def node_bounds(resolved: Resolved) -> tuple[NodeBounds, ...]:
    """Of every node; none of a virtual fleet, whose nodes send nothing."""
    if resolved.scenario.fleet.kind == "virtual":
        return ()
    harvests = resolved.with_harvest
    found = []
    spec = resolved.inference[0]
    # Between batches a board is idle before it sleeps; without that time, a wake-up a millisecond is the bound.
    naps = 0.0 if spec.between == "awake" else resolved.slot_s / max(spec.idle_s, 1e-3)
    for i, node_id in enumerate(resolved.node_ids):
        board, harvest = resolved.boards[i], resolved.harvests[i]
        battery = resolved.batteries[i] if harvests else None
        series = (*harvest.power_w, *harvest.forecast_w, *harvest.clear_sky_w)
        found.append(
            NodeBounds(
                node_id=node_id,
                power_w=max(board.busy_w, board.static_w),
                wake_j=board.wake_j * (1 + naps),
                radio_j_per_byte=max(board.tx_j_per_byte, board.rx_j_per_byte),
                harvest_w=max(series, default=0.0) if harvests else 0.0,
                battery_j=0.0 if battery is None else battery.capacity_j,
                charge_w=0.0 if battery is None else battery.charge_limit_w,
                discharge_w=0.0 if battery is None else battery.discharge_limit_w,
                least_s=0.0 if resolved.meters[i] == COUNTS_WORK else LEAST_REAL_S,
            )
        )
    return tuple(found)
