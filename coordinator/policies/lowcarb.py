"""Lowcarb: select the nodes whose intensity will improve least in a window that grows with past
participation.

Rule of github.com/birnbaum/flwr-lowcarb (methods.md section 3), re-implemented from its published behaviour.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.policies.selection import ClientsPerRound, State, participations, select, smallest

_LARGE = float(sys.maxsize)
"""The original's: beats every improvement. So large that a double keeps no intensity below 512 g/kWh beside it: nodes
without a window tie, and ties go to the first."""


@dataclass(frozen=True)
class Lowcarb(ClientsPerRound):
    """Highest scores win; nodes above the 80th percentile of participation come last.

    forecast_slots: Hmax, the longest window in slots; cut to the look-ahead that is there.
    """

    forecast_slots: int = 12

    name: ClassVar[str] = "lowcarb"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.forecast_slots < 1:
            raise ValueError(f"forecast_slots is {self.forecast_slots}; allowed is 1 or more")

    def wants_slots(self, deadline_slots: int) -> int:
        """Slots of look-ahead that the longest window needs: the present one and Hmax."""
        return self.forecast_slots + 1

    def init(self, seed: int) -> State:
        return {}

    def choose(self, fleet: Fleet, state: State) -> tuple[FleetDecision, State]:
        longest = min(self.forecast_slots, fleet.horizon - 1)
        scores = lowcarb_scores(fleet.intensity_g_per_kwh, participations(fleet), longest)
        return select(fleet, smallest(-scores, self.count(fleet))), state


def forecast_windows(count: Ints, longest: int) -> Ints:
    """(N,) omega_i = round(Hmax max(0, 2 p_i / p_max - 1)); Hmax for all before any node took part."""
    most = int(count.max())
    if most == 0:
        return np.full(len(count), longest)
    return np.round(longest * np.maximum(0.0, 2.0 * count / most - 1.0)).astype(np.int64)


def lowcarb_scores(intensity_g_per_kwh: Floats, count: Ints, longest: int) -> Floats:
    """(N,) min over k in 1..omega of c(t+k) - c(t); a large constant minus c(t) where omega is 0; minus
    infinity above the 80th percentile of participation."""
    now = intensity_g_per_kwh[:, 0]
    scores = _LARGE - now
    for node, window in enumerate(forecast_windows(count, longest)):
        if window > 0:
            scores[node] = (intensity_g_per_kwh[node, 1 : window + 1] - now[node]).min()
    return np.where(count > np.percentile(count, 80), -np.inf, scores)
