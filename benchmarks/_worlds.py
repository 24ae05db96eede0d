"""Random worlds of two days to compare policies in: fleets of 3 to 20 nodes, with a day of history for forecasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.instances import reference_day
from coordinator.simulator.simulate import World

SLOTS = 48
DAY = 24
ZONES_G_PER_KWH = (24.0, 37.0, 67.0, 285.0, 425.0, 458.0, 479.0)
"""Annual means of seven of the ten zones of methods.md section 8, note 9."""
SUNNY_LEAST, SUNNY_MOST = 2.0, 4.0
"""Harvest of a sunny world, as a multiple of the energy of all its own work."""


def mixed_world(seed: int) -> World:
    """Even seeds: bright days on most nodes; odd seeds: cloudy days, half of the nodes without a panel."""
    rng, bright = np.random.default_rng([11, seed]), seed % 2 == 0
    return _world(rng, bright, 0.85 if bright else 0.5)


def sunny_world(seed: int) -> World:
    """Harvest of two to four times the demand of the whole fleet and run, on most nodes."""
    rng = np.random.default_rng([12, seed])
    world = _world(rng, bright=True, panels=0.85)
    fleet, before = world.fleet, world.harvest_before_j
    assert before is not None
    both = np.hstack([before, fleet.harvest_j])
    if not both.any():
        both[0] = np.tile(
            np.maximum(np.sin(np.pi * (np.arange(DAY) - 6.0) / 12.0), 0.0), both.shape[1] // DAY
        )
    wanted = rng.uniform(SUNNY_LEAST, SUNNY_MOST) * float(_demand_j(world).sum())
    both = both * (wanted / float(both[:, DAY:].sum()))
    return World(
        replace(fleet, harvest_j=both[:, DAY:]), world.intensity_before_g_per_kwh, both[:, :DAY].copy()
    )


def _demand_j(world: World) -> Floats:
    fleet = world.fleet
    batches = np.hstack([fleet.backlog_batches[:, :1], fleet.release_batches])
    return np.asarray(fleet.slot_s * fleet.static_w[:, None] + fleet.joules_per_batch * batches)


def _world(rng: np.random.Generator, bright: bool, panels: float) -> World:
    nodes, length = int(rng.integers(3, 21)), SLOTS + DAY
    fleet, hours = reference_day(SLOTS, nodes), np.arange(length) % DAY
    phase = rng.integers(0, DAY, nodes)[:, None]
    means = rng.choice(ZONES_G_PER_KWH, nodes)[:, None]
    intensity = means * (1.0 + rng.uniform(0, 0.4) * np.cos(2.0 * np.pi * (hours[None] - phase) / DAY))
    shock, wander = np.zeros((nodes, length)), rng.standard_normal((nodes, length))
    for t in range(length):
        shock[:, t] = 0.9 * shock[:, t - 1] * (t > 0) + 0.04 * wander[:, t]
    intensity = intensity * np.exp(shock)
    clear = np.tile(reference_day(DAY, nodes).harvest_j, (1, length // DAY))
    days = rng.uniform(0.6 if bright else 0.3, 1.0, (nodes, length // DAY))
    clouds = np.repeat(days, DAY, axis=1) * rng.uniform(0.6, 1.0, (nodes, length))
    size = rng.uniform(0.2, 4.0 if bright else 2.0, nodes)[:, None] * (rng.random((nodes, 1)) < panels)
    harvest = clear * clouds * size
    capacity = rng.uniform(0, 3, nodes) * 1000 * (rng.random(nodes) < 0.85)
    limits = replace(
        fleet.limits,
        offload_cap_fraction=float(rng.choice([0.0, 0.5])),
        transfer_cap_fraction=float(rng.choice([0.0, 0.1, 0.5, 0.5])),
    )
    fleet = replace(
        fleet,
        intensity_g_per_kwh=intensity[:, DAY:],
        harvest_j=harvest[:, DAY:],
        battery_capacity_j=capacity,
        battery_j=0.5 * capacity,
        stored_value_g_per_j=np.zeros(nodes),
        limits=limits,
    )
    return World(fleet, intensity[:, :DAY], harvest[:, :DAY])
