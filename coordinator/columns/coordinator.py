"""The coordinator of a virtual fleet: decides, trades and books whole slots by column.

The policy is asked through the code that asks it for every fleet (fleet_view, guard), and prices, losses, caps and
lines are those of coordinator.slots; equality to the last unit with a fleet in one process is tested.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any

import numpy as np

from carbon_data.exact import Ints
from carbon_data.storage_columns import BalanceColumns
from carbon_data.types import DataError
from carbon_data.units import to_micro
from coordinator.columns.decision import Decided, decided
from coordinator.columns.lines import (
    NetworkLines,
    NodeLines,
    model_lines,
    network_lines,
    network_rows,
    node_lines,
)
from coordinator.columns.postings import slot_postings
from coordinator.columns.registration import registration
from coordinator.columns.trade import SettledColumns, Trade
from coordinator.config import CoordinatorConfig
from coordinator.ledger import Ledger
from coordinator.ledger.columns import column_entry
from coordinator.ledger.entry import Entry, Kind
from coordinator.ledger.formats import COLUMNS
from coordinator.market.backlog import Backlog
from coordinator.negotiation.table import Negotiating
from coordinator.policies.base import Policy
from coordinator.policies.guard import TRAINING_STAGES, choose, first_state
from coordinator.slots.columns import ProfileColumns, StandingColumns
from coordinator.slots.deferral import offload_rooms
from coordinator.slots.fleet_view import fleet_of_columns
from coordinator.slots.lines import Row, own_lines
from coordinator.slots.settings import check_config, told_config
from protos.messages.columns import (
    DecisionColumns,
    GrantColumns,
    LearnedColumns,
    TelemetryColumns,
    UsageColumns,
)
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.stream import NodeProfile

MOST_PENDING = 16
"""Slots that may wait to be written while later ones are computed."""
COORDINATOR_WORK = ("aggregated_parameters", "evaluated_examples")
"""Counts that the coordinator's joules follow from where something is learned."""
EPOCH = 1
"""A virtual fleet's coordinator is started once."""


class ColumnCoordinator:
    """The coordinator of N nodes that are rows, with a ledger.

    In each slot: ``decide`` on telemetry, ``trade`` what was metered, ``close`` with the nodes' balances."""

    def __init__(
        self,
        config: CoordinatorConfig,
        policy: Policy,
        profiles: Sequence[NodeProfile],
        battery_uj: Ints,
        clock: Callable[[], float],
    ) -> None:
        """Raises DataError for a configuration that cannot run, or a policy that negotiates with each node."""
        check_config(config)
        if isinstance(policy, Negotiating):
            raise DataError(
                f"policy {config.policy} negotiates with every node, and nodes of a virtual fleet have no agents; "
                'take fleet.kind = "inprocess" or "ray" for it'
            )
        self._config, self._policy, self._clock = config, policy, clock
        self._state = first_state(policy, config.seed)
        self._profiles = ProfileColumns.of(profiles, config.stages)
        self._trade = Trade(self._profiles, config.slot_s)
        self._zones = np.array(self._profiles.zones)
        self._intensity = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
        nodes = len(profiles)
        self._asleep = np.zeros(nodes, dtype=bool)
        self._participations, self._harvested_uj, self._given_uj = (
            np.zeros(nodes, dtype=np.int64) for _ in range(3)
        )
        self._mean_loss = np.full(nodes, np.nan)
        self._carried: Backlog | None = None
        self._room: Ints | None = None
        self._pending: deque[Future[int]] = deque()
        self.ledger = Ledger(config.ledger_path, config.run_id, COLUMNS)
        try:
            start = Entry(Kind.START, f"start/{EPOCH}", {"epoch": EPOCH, "config": told_config(config)})
            self.ledger.write([start, registration(config, profiles, battery_uj)])
        except BaseException:
            self.ledger.close()
            raise

    def finish(self) -> None:
        """Wait until every slot is durable. Raises LedgerError where one could not be written."""
        while self._pending:
            self._pending.popleft().result()

    def close_ledger(self) -> None:
        self.ledger.close()

    def decide(self, telemetry: TelemetryColumns, released: Ints) -> DecisionColumns:
        """Ask the policy, and check its answer. ``released``: (N,) new batches of the slot."""
        config, slot = self._config, telemetry.slot
        if config.limits.deadline_slots:
            self._room = offload_rooms(config, slot, telemetry.backlog_batches, self._carried)
        standing = StandingColumns(
            asleep=self._asleep.copy(),
            participations=self._participations.copy(),
            harvested_uj=self._harvested_uj,
            given_uj=self._given_uj,
            mean_loss=self._mean_loss.copy(),
            offload_room=None if self._room is None else self._room.copy(),
        )
        fleet = fleet_of_columns(
            config, config.node_ids, self._profiles, telemetry, standing, self._intensity
        )
        self._choice, self._state = choose(self._policy, self._state, fleet, self._clock)
        self._decided = decided(slot, config.stages[slot], self._choice)
        self._telemetry, self._released = telemetry, released
        if self._room is not None:
            told = self._decided.told
            backlog = Backlog(telemetry.backlog_batches, self._room)
            self._carried, _ = backlog.advance(told.own_batches, self._away())
        return self._decided.told

    @property
    def plan(self) -> SlotPlan:
        """How the slot was decided; nodes' parts are in columns."""
        choice, slot = self._choice, self._decided.told.slot
        gap, wall_s = choice.gap_fraction, max(0.0, choice.decide_s)
        return SlotPlan(EPOCH, slot, (), (), choice.status, gap, wall_s)

    def trade(self, usage: UsageColumns) -> GrantColumns:
        """Settle the decided transfers with what was metered."""
        self._usage = usage
        told = self._decided.told
        self._settled = self._trade.settle(
            self._decided.transfers, usage.harvest_uj, self._telemetry.battery_uj, told.discharge_uj
        )
        return self._settled.grants(len(usage.harvest_uj))

    def close(self, balance: BalanceColumns, learned: LearnedColumns | None = None) -> SlotSummary:
        """Book the slot in one transaction; it is durable at the latest MOST_PENDING slots later, or once the ledger is
        closed: no node waits for it. ``learned``: None where nothing is. Raises LedgerError where one before could not
        be written."""
        usage, told = self._usage, self._decided.told
        at = np.array([self._intensity[zone][told.slot] for zone in self._profiles.zones])
        lines = node_lines(usage.lines_uj, balance["grid_uj"], at)
        net = self._config.limits.net_j_per_byte
        network = network_lines(told.moves, usage.payload_bytes, at, net)
        models = None if usage.model_bytes is None else model_lines(usage.model_bytes, at, net)
        shared = [
            *network_rows(told.moves, network, self._profiles.zones, told.stage, models),
            *self._own_rows(told.slot, learned),
        ]
        summary = self._summary(balance, lines, shared)
        entry = self._entry(balance, lines, network, shared, summary, learned)
        self._pending.append(self.ledger.append([entry]))
        if len(self._pending) > MOST_PENDING:
            self._pending.popleft().result()
        self._keep(balance)
        if learned is not None:
            self._mean_loss = np.where(np.isnan(learned.mean_loss), self._mean_loss, learned.mean_loss)
        return summary

    # --- parts ---------------------------------------------------------------------------------------------

    def _keep(self, balance: BalanceColumns) -> None:
        told = self._decided.told
        self._asleep = ~told.awake
        self._harvested_uj = self._harvested_uj + balance["harvest_uj"]
        self._given_uj = self._given_uj + balance["export_uj"]
        if told.stage in TRAINING_STAGES:
            self._participations = self._participations + (self._usage.executed_batches > 0)

    def _away(self) -> Ints:
        """(N,) batches of each owner that leave it."""
        moves = self._decided.told.moves
        found = np.zeros(len(self._asleep), dtype=np.int64)
        np.add.at(found, moves.owner, moves.batches)
        return found

    def _missed(self) -> Ints:
        """(N,) (D4) as deferral.missed_batches: due and not run; 0 where the work was not asked for."""
        told, chosen = self._decided.told, self._decided.selected
        missed = np.maximum(0, self._telemetry.backlog_batches[:, 0] - told.own_batches - self._away())
        return missed if chosen is None or told.stage not in TRAINING_STAGES else np.where(chosen, missed, 0)

    def _own_rows(self, slot: int, learned: LearnedColumns | None) -> list[Row]:
        """Coordinator and router."""
        body, work_j = self._config.body, 0.0
        if learned is not None:
            work_j = (
                learned.aggregated_parameters * body.joules_per_aggregated_parameter
                + learned.evaluated_examples * body.joules_per_evaluated_example
            )
        coordinator_uj = to_micro(body.static_w * self._config.slot_s + work_j)
        router_uj = to_micro(body.router_w * self._config.slot_s)
        at = self._intensity[body.zone][slot]
        return own_lines(self._config.stages[slot], body.zone, at, coordinator_uj, router_uj)

    def _summary(self, balance: BalanceColumns, lines: NodeLines, shared: Sequence[Row]) -> SlotSummary:
        told, shared_uj = self._decided.told, sum(line["energy_uj"] for line in shared)
        away = self._away()
        return SlotSummary(
            slot=told.slot,
            emissions_pg=int(lines.pg.sum()) + sum(line["operational_pg"] for line in shared),
            grid_uj=int(balance["grid_uj"].sum()) + shared_uj,
            green_uj=int(balance["green_uj"].sum()),
            demand_uj=int(balance["demand_uj"].sum()) + shared_uj,
            moved_batches=int(away.sum()),
            transferred_uj=int(self._settled.sent_uj.sum()),
            executed_batches=int((told.own_batches + away).sum()),
            unserved_batches=int(self._missed().sum()),
            settled_nodes=(),
            missing_nodes=(),
        )

    def _entry(
        self,
        balance: BalanceColumns,
        lines: NodeLines,
        network: NetworkLines,
        shared: Sequence[Row],
        summary: SlotSummary,
        learned: LearnedColumns | None,
    ) -> Entry:
        usage, told, choice = self._usage, self._decided.told, self._choice
        body = {
            "stage": str(told.stage),
            "epoch": EPOCH,
            "status": choice.status,
            "gap_fraction": choice.gap_fraction,
            "objective_g": choice.objective_g,
            "notes": {name: float(value) for name, value in sorted(choice.decision.notes.items())},
            "unserved_batches": int(choice.decision.unserved_batches.sum()),
            "line_names": [[str(stage), str(component)] for stage, component in usage.lines],
            "lines": [dict(line) for line in shared],
            "summary": {k: v for k, v in asdict(summary).items() if not k.endswith("_nodes")},
            **({} if learned is None else {name: getattr(learned, name) for name in COORDINATOR_WORK}),
        }
        columns: dict[str, Any] = {
            "awake": told.awake,
            **({} if self._decided.selected is None else {"selected": self._decided.selected}),
            "released_batches": self._released,
            "due_batches": self._telemetry.backlog_batches[:, 0],
            "own_batches": told.own_batches,
            "executed_batches": usage.executed_batches,
            "missed_batches": self._missed(),
            "decided_charge_uj": told.charge_uj,
            "decided_discharge_uj": told.discharge_uj,
            **balance,
            "line_energy_uj": usage.lines_uj,
            "line_grid_uj": lines.grid_uj,
            "line_pg": lines.pg,
            **_pairs(self._decided, self._settled),
            "payload_bytes": usage.payload_bytes,
            "network_uj": network.energy_uj,
            "network_pg": network.pg,
            **({} if usage.model_bytes is None else {"model_bytes": usage.model_bytes}),
            **({} if learned is None else {"mean_loss": learned.mean_loss.astype(np.float32)}),
        }
        postings = slot_postings(balance, usage.lines, usage.lines_uj, lines, self._settled, shared)
        return column_entry(Kind.SLOT, f"slot/{told.slot}", body, columns, postings, told.slot)


def _pairs(slot: Decided, settled: SettledColumns) -> dict[str, Ints]:
    moves, transfers = slot.told.moves, slot.transfers
    return {
        "donor": transfers.donor,
        "recipient": transfers.recipient,
        "decided_uj": transfers.decided_uj,
        "sent_uj": settled.sent_uj,
        "received_uj": settled.received_uj,
        "owner": moves.owner,
        "executor": moves.executor,
        "moved_batches": moves.batches,
    }
