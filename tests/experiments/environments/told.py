"""Scenarios of environments, and policies that take the same numbers in a run."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.policies.learned.action import ACTIONS, decision_of
from experiments.environments.market_env import BIDS, auctioned
from experiments.scenario.model import Scenario, parse_scenario

ZONES = ("DE", "FR", "US-NW-SCL", "US-SE-SOCO", "SE-SE3", "PL")
HERE = "tests.experiments.environments.told"


def scenario(seed: int = 0, nodes: int = 5, policy: str = "local", slots: int = 6) -> Scenario:
    """Some slots from morning on; every figure may take any value."""
    rng = random.Random(seed)
    parts = [
        f'name = "told"\npolicy = "{policy}"\nseed = {seed}\n[task]\nname = "none"\n[fleet]\nkind = "virtual"',
        f"[stages]\npreparation = 0\ndevelopment = {slots}\napplication = 0\nrecycling = 0",
        f"[time]\nstart = 2022-06-21T{rng.randint(4, 14):02d}:00:00Z",
        f'[forecast]\nkind = "{rng.choice(("perfect", "persistence", "clear-sky"))}"',
        f'[limits]\ndeadline_slots = {seed % 3}\ntransfer_cap_over = "{("slot", "horizon")[seed % 2]}"',
        f"[coordinator]\nhorizon_slots = {rng.randint(1, 4)}\n[tolerance]\nunserved_fraction = 1.0",
        "[demand]\nbytes_per_batch = 40_000",
    ]
    for _ in range(nodes):
        parts += [
            f'[[nodes]]\nzone = "{rng.choice(ZONES)}"',
            f'[nodes.harvest]\nkind = "pv"\npeak_w = {rng.choice((0.0, 9.3, 40.0))}',
            f"[nodes.battery]\ncapacity_wh = {rng.choice((0.0, 2.4, 11.0))}\ninitial_fraction = {rng.random():.3f}",
            f"[nodes.demand]\nbusy_fraction = {rng.uniform(0.0, 1.0):.3f}",
        ]
    return parse_scenario("\n".join(parts))


def numbers(seed: int, slot: int, nodes: int, each: int) -> NDArray[np.float32]:
    """(nodes, each) of a slot, half of them beyond what is allowed or at its ends."""
    drawn = np.random.default_rng([seed, slot]).uniform(-2.0, 2.0, (nodes, each))
    return np.clip(drawn, -1.0, 1.0).astype(np.float32)


class ToldCoordinator:
    """Takes the numbers above as a coordinator's action."""

    name = "told-coordinator"

    def init(self, seed: int) -> int:
        return seed

    def decide(self, fleet: Fleet, state: int) -> tuple[FleetDecision, Any]:
        return decision_of(fleet, numbers(state, fleet.slot, fleet.size, ACTIONS)), state


class ToldMarket:
    """Takes the numbers above as the nodes' bids."""

    name = "told-market"

    def init(self, seed: int) -> int:
        return seed

    def decide(self, fleet: Fleet, state: int) -> tuple[FleetDecision, Any]:
        bids = numbers(state, fleet.slot, fleet.size, BIDS).astype(np.float64)
        return auctioned(fleet, bids)[0], state
