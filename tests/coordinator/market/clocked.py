"""Small fleets whose boards have operating points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.fleet import Fleet, PointCosts
from coordinator.market.instances import reference_day


def clocked(seed: int, nodes: int, slots: int, deadline_slots: int = 0) -> Fleet:
    """Drawn: intensities, harvest, work, and up to three points a node, of which a slow one may take more joules."""
    draw = np.random.default_rng(seed)
    fleet = reference_day(slots, nodes=nodes)
    speed = np.column_stack([np.ones(nodes), draw.uniform(0.6, 0.95, nodes), draw.uniform(0.2, 0.55, nodes)])
    speed[draw.random(nodes) < 0.3, 2] = 0.0  # some have fewer
    static_w = np.repeat(fleet.static_w[:, None], 3, axis=1)
    backlog = np.zeros((nodes, deadline_slots + 1), dtype=np.int64)
    backlog[:, :] = draw.integers(0, 12, backlog.shape)
    radio = draw.uniform(0.8, 1.0)
    return replace(
        fleet,
        limits=replace(fleet.limits, deadline_slots=deadline_slots, offload_cap_fraction=0.8),
        intensity_g_per_kwh=draw.uniform(20, 900, (nodes, slots)),
        harvest_j=draw.uniform(0, 300, (nodes, slots)),
        backlog_batches=backlog,
        release_batches=draw.integers(0, 12, (nodes, slots - 1)).astype(np.int64),
        seconds_per_batch=np.repeat(draw.uniform(2.0, 6.0, (nodes, 1)), slots, axis=1),
        battery_j=fleet.battery_capacity_j * draw.uniform(0, 1, nodes),
        points=PointCosts(
            speed_fraction=speed,
            energy_times=np.column_stack([np.ones(nodes), draw.uniform(0.4, 1.2, (nodes, 2))]),
            static_w=static_w,
            compute_j=radio * fleet.joules_per_batch,
        ),
    )
