"""Any policy of the testbed on cells: coverage and traffic come first, its wish who sleeps second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.decision import FleetDecision, home_and_moves
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.rounding import WorkLimits
from coordinator.policies.local import rule_decision
from experiments.studies.stations.network import Network

ROUNDING = 1e-9
"""Of a share of a unit of traffic."""
BLOCKED = "more traffic than the cells carry is blocked"


class Covered:
    """``policy`` whose cells sleep only where neighbours cover their area and carry their traffic.

    The policy is told which cells may sleep together in every hour that is known (``Fleet.can_sleep``), and says who of
    them should, and what batteries may give. One with ``knows_network`` is told nothing: it has the network itself. Of
    the cells that a policy names, those with the least traffic go to sleep first, as long as the network allows it; the
    others stay awake. A sleeping cell's traffic is carried by its neighbours; an awake cell carries its own up to its
    capacity, and the rest is blocked."""

    def __init__(self, policy: Any, network: Network) -> None:
        self.policy, self.network = policy, network
        self.name = policy.name
        self._together: dict[bytes, Bools] = {}

    def init(self, seed: int) -> Any:
        return self.policy.init(seed)

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        knows = getattr(self.policy, "knows_network", False)
        told = fleet if knows else replace(fleet, can_sleep=self._may_sleep(fleet))
        wish, state = self.policy.decide(told, state)
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

    def _may_sleep(self, fleet: Fleet) -> Bools:
        """(N, H) cells that may sleep together in each hour, where all that can sleep wish to."""
        now, _ = asleep_within(self.network, fleet, np.ones(fleet.size, dtype=bool))
        later = [self._later(fleet, hour) for hour in range(1, fleet.horizon)]
        return np.stack([~now, *later], axis=1) & fleet.sleepers_by_slot()

    def _later(self, fleet: Fleet, hour: int) -> Bools:
        """(N,) as ``_may_sleep``, of an hour to come: known by its traffic, for who sleeps before it is open."""
        offered = fleet.release_batches[:, hour - 1]
        capacity = np.floor(fleet.slot_s / fleet.seconds_per_batch[:, hour] + ROUNDING).astype(np.int64)
        key = offered.tobytes() + capacity.tobytes()
        if key not in self._together:
            awake, _ = _asleep(self.network, offered, lambda _: capacity, np.ones(fleet.size, dtype=bool))
            self._together[key] = ~awake
        return self._together[key]


def asleep_within(
    network: Network, fleet: Fleet, wanted: Bools, order: Floats | None = None
) -> tuple[Bools, Ints]:
    """Who stays awake where ``wanted`` should sleep, and (N, N) traffic of the sleeping cells by who carries it.
    Cells go to sleep by ``order``, (N,), least first; None: by their traffic."""

    def capacity(awake: Bools) -> Ints:
        return WorkLimits.of(fleet, awake).capacity

    return _asleep(network, fleet.backlog_batches[:, 0], capacity, wanted & fleet.sleepers(), order)


def _asleep(
    network: Network,
    offered: Ints,
    capacity: Callable[[Bools], Ints],
    wanted: Bools,
    order: Floats | None = None,
) -> tuple[Bools, Ints]:
    # Fewer asleep is never harder: where all of them can, one after the other ends there too.
    if network.covers(~wanted) and (routed := network.route(~wanted, offered, capacity(~wanted))) is not None:
        return ~wanted, routed
    by = offered if order is None else order
    awake = np.ones(len(offered), dtype=bool)
    moved = np.zeros((len(offered), len(offered)), dtype=np.int64)
    for cell in np.flatnonzero(wanted)[np.argsort(by[wanted], kind="stable")]:
        tried = awake.copy()
        tried[cell] = False
        if not network.covers(tried):
            continue
        routed = network.route(tried, offered, capacity(tried))
        if routed is not None:
            awake, moved = tried, routed
    return awake, moved
