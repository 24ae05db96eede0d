"""A scenario's virtual fleet that is told its decisions slot after slot: a run without ledger and files.

Nodes are edge_node.columns, trade and grams coordinator.columns, as of a run with ``fleet.kind = "virtual"``; a run of
the scenario under the same decisions has the same joules, batches and grams, to the last unit (tested)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.storage_columns import BalanceColumns
from carbon_data.units import MICRO
from coordinator.columns.slots import Booked, ColumnSlots
from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.policies.guard import Choice
from coordinator.policies.learned.observation import Outlook, observed
from coordinator.policies.learned.work import WorkRoom
from coordinator.slots.settings import check_config
from edge_node.columns.nodes import VirtualNodes
from experiments.errors import UsageError
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.scenario.model import Scenario
from protos.messages.columns import DecisionColumns, UsageColumns

RUN = "environment"
PG_PER_G = 10**12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened in a slot."""

    told: DecisionColumns
    usage: UsageColumns
    balance: BalanceColumns
    booked: Booked

    @property
    def grams(self) -> float:
        """g CO2e of nodes, network, coordinator and router."""
        return self.booked.summary.emissions_pg / PG_PER_G

    def node_g(self) -> NDArray[np.float64]:
        """(N,) g of the nodes' own grid energy."""
        return self.booked.nodes_pg / PG_PER_G

    def network_g(self) -> NDArray[np.float64]:
        """(N,) g of moved batches in the network, half at either end."""
        moves, nodes = self.told.moves, len(self.told.awake)
        each = self.booked.network.pg / PG_PER_G / 2.0
        both = np.bincount(moves.owner, each, nodes) + np.bincount(moves.executor, each, nodes)
        return np.asarray(both, dtype=np.float64)


class FleetWorld:
    """One scenario's fleet: ``restart``, then ``fleet`` and ``step`` until ``over``.

    ``fleets``: of equally many nodes, one after the other in the scenario, that know nothing of each other; who decides
    sees to it that they exchange nothing."""

    def __init__(self, scenario: Scenario | Resolved, fleets: int = 1) -> None:
        """Raises UsageError for a scenario in which something is learned, or whose stages differ: its joules would not
        follow from decisions alone. Likewise for nodes that do not make up ``fleets`` of one size."""
        self.resolved = scenario if isinstance(scenario, Resolved) else resolve(scenario)
        if not self.resolved.learns_nothing or len(set(self.resolved.stages)) != 1:
            raise UsageError(
                f"scenario {self.resolved.scenario.name}: an environment counts work and trains no model; give "
                'a scenario with task.name = "none" and development slots alone'
            )
        config = self.resolved.coordinator_config(RUN, Path("none"))
        check_config(config)
        configs = self.resolved.node_configs(RUN, "", with_harvest=True)
        self.node_ids = config.node_ids
        self.fleets = fleets
        if fleets < 1 or len(self.node_ids) % fleets:
            raise UsageError(
                f"{len(self.node_ids)} nodes in {fleets} fleets; allowed are 1 or more fleets of equally many nodes"
            )
        self.slots = len(config.stages)
        self._nodes = VirtualNodes(configs)
        self._coordinator = ColumnSlots(config, VirtualNodes.profiles(configs))
        self._seen: list[tuple[Fleet, Outlook]] = []
        """Of each slot reached so far, whichever episode: what decisions do not change is found once."""
        self.slot = self.slots

    @property
    def over(self) -> bool:
        """Whether all slots have been."""
        return self.slot >= self.slots

    def restart(self) -> None:
        """Go to before the first slot."""
        self._nodes.restart()
        self._coordinator.restart()
        self.slot = 0
        self._look()

    def require_begun(self) -> None:
        """Raises ValueError before the first ``restart`` and when ``over``: there is no slot to decide then."""
        if not self._seen:
            raise ValueError("no episode has begun; reset (restart) first")
        if self.over:
            raise ValueError(f"all {self.slots} slots have been; reset (restart) first")

    def step(self, decision: FleetDecision) -> Outcome:
        """Run the slot of ``fleet`` under ``decision``, which keeps its limits. Raises ValueError as
        ``require_begun``."""
        self.require_begun()
        choice = Choice(decision, "rule: told", None, None, 0.0)
        told = self._coordinator.adopt(choice, self._telemetry, self._nodes.released_batches)
        usage = self._nodes.run(told)
        balance = self._nodes.settle(self._coordinator.trade(usage))
        booked = self._coordinator.book(balance)
        self.slot += 1
        if not self.over:
            self._look()
        return Outcome(told, usage, balance, booked)

    def observed(self) -> NDArray[np.float32]:
        """(N, OBSERVED) before the slot; after the last one, as before it."""
        outlook = self._seen[min(self.slot, self.slots - 1)][1]
        return observed(self.fleet, outlook, self.room, self.fleets)

    def _look(self) -> None:
        """``fleet``: as a policy may know it before the slot; ``room``: of its work."""
        self._telemetry = self._nodes.telemetry(self.slot)
        if self.slot == len(self._seen):
            self.fleet = self._coordinator.fleet(self._telemetry)
            self._seen.append((self.fleet, Outlook.of(self.fleet, self.fleets)))
            self.room = WorkRoom.of(self.fleet, self.fleets)
            return
        known = self._coordinator.standing(self._telemetry)
        changes: dict[str, NDArray[np.generic]] = {
            "battery_j": self._telemetry.battery_uj / MICRO,
            "backlog_batches": self._coordinator.waiting_batches,
            "given_before_j": known.given_uj / MICRO,
            "participations": known.participations,
        }
        if known.offload_room is not None:
            changes["offload_room_batches"] = known.offload_room
        self.fleet = self._seen[self.slot][0].changed(**changes)
        self.room = WorkRoom.of(self.fleet, self.fleets)
