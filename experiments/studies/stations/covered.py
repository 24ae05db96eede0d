"""Any policy of the testbed on cells: coverage and traffic come first, its wish who sleeps second."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.decision import FleetDecision, home_and_moves
from coordinator.market.fleet import Bools, Fleet, Ints
from coordinator.market.rounding import WorkLimits
from coordinator.policies.local import rule_decision
from experiments.studies.stations.network import Network

BLOCKED = "more traffic than the cells carry is blocked"


class Covered:
    """``policy`` whose cells sleep only where neighbours cover their area and carry their traffic.

    The policy is told which cells may sleep together (``Fleet.can_sleep``), and says who of them should, and what
    batteries may give. Of those it names, cells go to sleep in the order of their traffic, least first, as long as the
    network allows it; the others stay awake. A sleeping cell's traffic is carried by its neighbours; an awake cell
    carries its own up to its capacity, and the rest is blocked. A learned policy takes the same place as any other: a
    class with ``init`` and ``decide``."""

    def __init__(self, policy: Any, network: Network) -> None:
        self.policy, self.network = policy, network
        self.name = policy.name

    def init(self, seed: int) -> Any:
        return self.policy.init(seed)

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        stay, _ = asleep_within(self.network, fleet, np.ones(fleet.size, dtype=bool))
        wish, state = self.policy.decide(replace(fleet, can_sleep=~stay), state)
        awake, moved = asleep_within(self.network, fleet, ~wish.awake)
        offered = fleet.backlog_batches[:, 0]
        carried = np.minimum(offered, WorkLimits.of(fleet, awake).capacity)
        moved[np.diag_indices(fleet.size)] = np.where(awake, carried, 0)
        home, moves = home_and_moves(moved)
        decided = rule_decision(fleet, home, moves, by_design=BLOCKED, awake=awake)
        as_planned = awake == wish.awake
        return (
            replace(
                decided,
                charge_j=np.where(as_planned, wish.charge_j, decided.charge_j),
                discharge_j=np.where(as_planned, wish.discharge_j, decided.discharge_j),
            ),
            state,
        )


def asleep_within(network: Network, fleet: Fleet, wanted: Bools) -> tuple[Bools, Ints]:
    """Who stays awake where ``wanted`` should sleep, and (N, N) traffic of the sleeping cells by who carries it."""
    offered = fleet.backlog_batches[:, 0]
    awake = np.ones(fleet.size, dtype=bool)
    moved = np.zeros((fleet.size, fleet.size), dtype=np.int64)
    for cell in np.flatnonzero(wanted & fleet.sleepers())[
        np.argsort(offered[wanted & fleet.sleepers()], kind="stable")
    ]:
        tried = awake.copy()
        tried[cell] = False
        if not network.covers(tried):
            continue
        routed = network.route(tried, offered, WorkLimits.of(fleet, tried).capacity)
        if routed is not None:
            awake, moved = tried, routed
    return awake, moved
