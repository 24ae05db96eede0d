"""Policies of base stations that are not the testbed's own: a threshold of traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.policies.local import rule_decision


@dataclass(frozen=True)
class Threshold:
    """A cell sleeps below a share of its capacity, and wakes above a higher one (survey, section 2.2.2, its [79]).

    ``sleep_below_fraction`` and ``wake_above_fraction`` of what a cell carries in a slot: between them it stays as it
    is, so that it does not toggle. The survey gives no figures; the study sweeps them."""

    sleep_below_fraction: float = 0.3
    wake_above_fraction: float = 0.4

    name: ClassVar[str] = "threshold"

    def __post_init__(self) -> None:
        if not 0.0 <= self.sleep_below_fraction <= self.wake_above_fraction <= 1.0:
            raise ValueError(
                f"sleep_below_fraction is {self.sleep_below_fraction} and wake_above_fraction "
                f"{self.wake_above_fraction}; allowed is 0 <= the first <= the second <= 1"
            )

    def init(self, seed: int) -> None:
        """No state: who sleeps is the fleet's."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """Who should sleep; where traffic goes is the network's to say."""
        share = fleet.backlog_batches[:, 0] * fleet.seconds_per_batch[:, 0] / fleet.slot_s
        asleep = np.where(fleet.asleep, share <= self.wake_above_fraction, share < self.sleep_below_fraction)
        none = np.zeros(fleet.size, dtype=np.int64)
        awake = ~(asleep & fleet.sleepers())
        return rule_decision(fleet, none, by_design="who sleeps", awake=awake), state
