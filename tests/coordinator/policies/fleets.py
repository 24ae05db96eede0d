"""Fleets on which a policy can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.policies.registry import make_policy
from coordinator.simulator.simulate import World


def fleet_of(intensity: list[float], **changes: Any) -> Fleet:
    """Nodes of the given intensities, one slot, no harvest, no battery, ten batches of 36 J each."""
    n = len(intensity)
    fleet = replace(
        reference_day(1, nodes=n),
        intensity_g_per_kwh=np.array(intensity, dtype=float)[:, None],
        harvest_j=np.zeros((n, 1)),
        backlog_batches=np.full((n, 1), 10),
        joules_per_batch=np.full((n, 1), 36.0),
        seconds_per_batch=np.ones((n, 1)),
        battery_capacity_j=np.zeros(n),
        static_w=np.zeros(n),
    )
    return replace(fleet, **changes) if changes else fleet


def chosen(fleet: Fleet, name: str, seed: int = 0, **options: Any) -> list[int]:
    policy = make_policy(name, **options)
    decision, _ = policy.decide(fleet, policy.init(seed))
    assert decision.selected is not None
    return np.flatnonzero(decision.selected).tolist()


def sunny(nodes: int = 4, slots: int = 36) -> World:
    """Two sunny days: the battery fills every noon, so that energy kept over the morning is lost."""
    day = reference_day(slots, nodes)
    return World(
        replace(
            day,
            harvest_j=3.0 * day.harvest_j,
            battery_j=day.battery_capacity_j.copy(),
            stored_value_g_per_j=np.zeros(nodes),
        )
    )
