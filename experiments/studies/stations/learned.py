"""A learned policy of base stations: two linear scores a cell, who sleeps first and what its battery gives.

The same weights hold for every cell, so that a network may have any number of cells. Weights and the training's record
ship in learned.json; experiments.studies.stations.train makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from carbon_data.types import DataError
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats
from coordinator.policies.local import rule_decision
from experiments.studies.stations.covered import asleep_within
from experiments.studies.stations.network import Network

SHIPPED = Path(__file__).with_name("learned.json")
SOON = 6
"""Hours that a cell looks ahead."""
SEEN = (
    "one",
    "traffic, share of what a cell carries",
    "mean traffic of the next 6 hours, likewise",
    "mean traffic of its neighbours now, likewise",
    "asleep in the hour before",
    "state of charge",
    "mean state of charge of its neighbours",
    "harvest now, share of an idle cell's energy",
    "mean harvest of the next 6 hours, likewise",
    "harvest now times state of charge",
    "intensity now, over the mean of the hours known, less 1",
    "mean intensity of the next 6 hours, likewise",
    "hours left, share of a day",
)
SCORES = ("sleep", "battery")


@dataclass(frozen=True)
class Learned:
    """Cells with a first score above 0 sleep, the highest first, as long as the network allows it. A battery gives the
    share of what its cell needs that the second score says, cut to 0..1; at 1 it has no limit of its own."""

    network: Network
    weights: NDArray[np.float64]
    """(SCORES, SEEN)."""

    name: ClassVar[str] = "learned"
    knows_network: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.weights.shape != (len(SCORES), len(SEEN)) or not np.isfinite(self.weights).all():
            raise ValueError(
                f"weights of shape {self.weights.shape}; allowed are {len(SCORES)} x {len(SEEN)} finite numbers"
            )

    @classmethod
    def shipped(cls, network: Network, path: Path = SHIPPED) -> Learned:
        """The weights that ship. Raises DataError for a file of another version."""
        found = json.loads(path.read_text(encoding="utf-8"))
        if (tuple(found["seen"]), tuple(found["scores"])) != (SEEN, SCORES):
            raise DataError(f"{path}: weights for other numbers than this version's; train again")
        return cls(network, np.array(found["weights"]))

    def init(self, seed: int) -> None:
        """No state: nothing is drawn."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """Who should sleep, and what batteries give; where traffic goes is the network's to say."""
        sleep, battery = self.weights @ seen(fleet, self.network).T
        awake, _ = asleep_within(self.network, fleet, sleep > 0, -sleep)
        share = np.clip(battery, 0.0, 1.0)
        work_j = np.where(awake, fleet.backlog_batches[:, 0] * fleet.joules_per_batch[:, 0], 0.0)
        need_j = fleet.slot_s * np.where(awake, fleet.static_w, fleet.sleep_w) + work_j
        decided = rule_decision(
            fleet,
            np.zeros(fleet.size, dtype=np.int64),
            by_design="who sleeps",
            awake=awake,
            discharge_j=np.where(share < 1.0, share * need_j, fleet.battery_capacity_j),
        )
        return decided, state


def seen(fleet: Fleet, network: Network) -> Floats:
    """(N, SEEN) what each cell sees before an hour. Where no later hour is known it is taken to be like this one."""
    later = slice(1, SOON + 1) if fleet.horizon > 1 else slice(0, 1)
    share = fleet.seconds_per_batch[:, 0] / fleet.slot_s
    traffic = fleet.backlog_batches[:, 0] * share
    offered = np.hstack([fleet.backlog_batches[:, :1], fleet.release_batches]) * share[:, None]
    idle_j = fleet.slot_s * fleet.static_w
    harvest = fleet.harvest_j / idle_j[:, None]
    intensity = fleet.intensity_g_per_kwh
    over = intensity / np.maximum(intensity.mean(axis=1), 1e-9)[:, None] - 1.0
    capacity = fleet.battery_capacity_j
    charge = np.divide(fleet.battery_j, capacity, out=np.zeros(fleet.size), where=capacity > 0)
    near = network.neighbours / np.maximum(network.neighbours.sum(axis=1), 1)[:, None]
    return np.column_stack(
        [
            np.ones(fleet.size),
            traffic,
            offered[:, later].mean(axis=1),
            near @ traffic,
            fleet.asleep,
            charge,
            near @ charge,
            harvest[:, 0],
            harvest[:, later].mean(axis=1),
            harvest[:, 0] * charge,
            over[:, 0],
            over[:, later].mean(axis=1),
            np.full(fleet.size, min((fleet.horizon + fleet.later_slots) / 24.0, 1.0)),
        ]
    )
