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
from coordinator.market.pairs import Moves, Pairs
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
        home, moves = nearest_green_batches(fleet.intensity_g_per_kwh[:, 0], limits, self.threshold)
        return rule_decision(fleet, home, moves), state


def nearest_green_batches(intensity: Floats, limits: WorkLimits, threshold: float) -> tuple[Ints, Moves]:
    """(N,) batches at home, and those that move. Room at a node is what its own work leaves of its time, and its
    storage."""
    home = np.minimum(limits.available, limits.capacity)
    time_left, guests_left = limits.capacity - home, limits.guest_room.copy()
    moves: list[tuple[int, int, int]] = []
    for owner in range(len(intensity)):
        # what does not fit at home leaves first, then what may leave at all
        sendable = int(min(limits.may_leave[owner], limits.available[owner]))
        waiting = int(limits.available[owner] - home[owner])
        green = intensity < threshold * intensity[owner]
        green[owner] = False
        open_ = np.flatnonzero(green & (time_left > 0) & (guests_left > 0))
        for other in open_[np.argsort(np.abs(open_ - owner), kind="stable")]:
            count = int(min(sendable, time_left[other], guests_left[other]))
            if count <= 0:
                break  # nothing left to send: every open node has room
            from_home = max(count - waiting, 0)
            waiting -= count - from_home
            home[owner] -= from_home
            time_left[owner] += from_home
            moves.append((owner, int(other), count))
            time_left[other] -= count
            guests_left[other] -= count
            sendable -= count
    return home, Pairs.of(*np.array(moves, dtype=np.int64).reshape(-1, 3).T)
