"""Nearest-green greedy: offload to the nearest node with c_j < 0.8 c_i and room (methods.md section 3).

Distance is that of the nodes' places in the fleet (sites in a row; choice: a Fleet has no map).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.rounding import WorkLimits
from coordinator.policies.local import rule_decision
from coordinator.policies.selection import State


@dataclass(frozen=True)
class NearestGreen:
    """Owners in order of their place; each sends what its cap allows, nearest clean node first.

    threshold: a node is green when its intensity is below this share of the owner's.
    """

    threshold: float = 0.8

    name: ClassVar[str] = "nearest-green"
    restrictions: ClassVar[Restrictions] = Restrictions(transfers=False, offloading=True, harvest=True)

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"threshold is {self.threshold}; allowed is above 0, up to 1")

    def init(self, seed: int) -> State:
        return {}

    def decide(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        batches = nearest_green_batches(fleet.intensity_g_per_kwh[:, 0], limits, self.threshold)
        return rule_decision(fleet, batches), state


def nearest_green_batches(intensity: Floats, limits: WorkLimits, threshold: float) -> Ints:
    """(N, N) batches. Room at a node is what its own work leaves of its time, and its storage."""
    n = len(intensity)
    own = np.minimum(limits.available, limits.capacity)
    batches = np.diag(own).astype(np.int64)
    time_left, guests_left = limits.capacity - own, limits.guest_room.copy()
    for owner in range(n):
        # what does not fit at home leaves first, then what may leave at all
        sendable = int(min(limits.may_leave[owner], limits.available[owner]))
        by_distance = sorted((abs(owner - other), other) for other in range(n) if other != owner)
        for _, other in by_distance:
            if not intensity[other] < threshold * intensity[owner]:
                continue
            count = int(min(sendable, time_left[other], guests_left[other]))
            if count <= 0:
                continue
            waiting = int(limits.available[owner] - batches[owner].sum())
            from_home = max(count - waiting, 0)
            batches[owner, owner] -= from_home
            time_left[owner] += from_home
            batches[owner, other] += count
            time_left[other] -= count
            guests_left[other] -= count
            sendable -= count
    return batches
