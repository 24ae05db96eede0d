"""Price or limit of joules in addition to grams: from DETA to least energy, with all work done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.simulator.simulate import World
from coordinator.simulator.tradeoff import Delivered, tree_point


def costly_transport(slots: int) -> Fleet:
    """A day on which moving work has a considerable cost in joules: 1 MB per batch over Wi-Fi at its high end."""
    day = reference_day(slots)
    return replace(
        day,
        limits=replace(day.limits, net_j_per_byte=1e-6),
        bytes_per_batch=np.full(slots, 1e6),
        storage_bytes=np.full(day.size, 1e9),
    )


def test_the_trade_off_runs_from_least_grams_to_highest_tree() -> None:
    world, delivered = World(costly_transport(6)), Delivered(32.0, 16.0, 64 * 6280.0, 70_423.0)
    points = [tree_point(world, delivered, price_g_per_kwh=price, horizon=1) for price in (0.0, 100.0, 1e5)]
    trees = [point.tree_bit_per_j for point in points]
    assert trees == sorted(trees)
    assert points[-1].tree_bit_per_j > points[0].tree_bit_per_j
    assert points[-1].emissions_g > points[0].emissions_g
    assert points[-1].offloaded_batches < points[0].offloaded_batches
    assert all(point.unserved_batches == 0 for point in points)
