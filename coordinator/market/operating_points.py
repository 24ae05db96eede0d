"""Operating points (DVFS): what work costs at those chosen, and the best choice for batches that are placed. Pure.

A node runs at one point for the whole slot. At a slower one a batch takes more seconds, and mostly fewer joules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats, Ints, PointCosts
from coordinator.market.hand_over import busy_s, usable_s

_SPARE = 1e-9
"""Relative: seconds are compared up to the last digits of a floating-point sum."""


def allowed_points(fleet: Fleet, chosen: Ints) -> bool:
    """Whether (N,) ``chosen`` are points that the nodes have."""
    if fleet.points is None:
        return not chosen.any()
    count = fleet.points.allowed.sum(axis=1)
    return bool(((chosen >= 0) & (chosen < count)).all())


def at_points(fleet: Fleet, chosen: Ints) -> Fleet:
    """The fleet with its nodes at the (N,) points ``chosen`` in the present slot.

    Later slots are expected at full speed where time is short and at the fewest joules: their points are chosen when
    they come."""
    points = fleet.points
    if points is None:
        return fleet
    row = np.arange(fleet.size)
    speed, energy = points.speed_fraction[row, chosen], points.energy_times[row, chosen]
    seconds, joules = fleet.seconds_per_batch.copy(), fleet.joules_per_batch.copy()
    seconds[:, 0] /= speed
    joules[:, 0] -= (1.0 - energy) * points.compute_j[:, 0]
    joules[:, 1:] -= (1.0 - points.least_energy())[:, None] * points.compute_j[:, 1:]
    more: dict[str, Any] = {}
    if fleet.split is not None:
        read_s, read_j = fleet.split.read_s / speed, fleet.split.read_j * energy
        more["split"] = replace(fleet.split, read_s=read_s, read_j=read_j)
    return replace(
        fleet,
        seconds_per_batch=seconds,
        joules_per_batch=np.maximum(joules, 0.0),
        static_w=points.static_w[row, chosen],
        points=None,
        **more,
    )


def best_points(fleet: Fleet, decision: FleetDecision) -> Ints:
    """(N,) the point of each node with the fewest joules for the batches of ``decision``, among those that leave time
    for them; the fastest of equal ones.

    Nodes do not depend on each other here, and a lower demand never causes more grams."""
    points = fleet.points
    if points is None:
        return np.zeros(fleet.size, dtype=np.int64)
    work_s, time_s = busy_s(fleet, decision)[:, None], usable_s(fleet, decision.awake)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        needed_s = np.where(points.allowed, work_s / points.speed_fraction, np.inf)
    fits = points.allowed & (needed_s <= time_s * (1.0 + _SPARE))
    joules = points.energy_times * _compute_j(fleet, points, decision)[:, None]
    joules = joules + fleet.slot_s * points.static_w
    found = np.argmin(np.where(fits, joules, np.inf), axis=1)
    return np.asarray(np.where(decision.awake & fits.any(axis=1), found, 0), dtype=np.int64)


def _compute_j(fleet: Fleet, points: PointCosts, decision: FleetDecision) -> Floats:
    """(N,) joules of computing at full speed."""
    whole = points.compute_j[:, 0] * decision.run_batches()
    if fleet.split is None:
        return np.asarray(whole)
    read = decision.handed.given(fleet.size) - decision.handed.taken(fleet.size)
    return np.asarray(whole + fleet.split.read_j * read)
