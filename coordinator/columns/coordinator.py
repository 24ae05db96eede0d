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
from coordinator.columns.decision import Decided
from coordinator.columns.lines import (
    NodeLines,
    node_lines,
)
from coordinator.columns.postings import slot_postings
from coordinator.columns.registration import registration
from coordinator.columns.slots import Booked, ColumnSlots
from coordinator.columns.trade import SettledColumns
from coordinator.config import CoordinatorConfig
from coordinator.ledger import Ledger
from coordinator.ledger.columns import column_entry
from coordinator.ledger.entry import Entry, Kind
from coordinator.ledger.formats import COLUMNS
from coordinator.negotiation.table import Negotiating
from coordinator.policies.base import Policy
from coordinator.policies.guard import choose, first_state
from coordinator.slots.settings import check_config, told_config
from protos.messages.columns import (
    DecisionColumns,
    LearnedColumns,
    TelemetryColumns,
)
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.stream import NodeProfile

MOST_PENDING = 16
"""Slots that may wait to be written while later ones are computed."""
COORDINATOR_WORK = ("aggregated_parameters", "evaluated_examples")
"""Counts that the coordinator's joules follow from where something is learned."""
EPOCH = 1
"""A virtual fleet's coordinator is started once."""


class ColumnCoordinator(ColumnSlots):
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
        self._policy, self._clock = policy, clock
        self._state = first_state(policy, config.seed)
        super().__init__(config, profiles)
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
        choice, self._state = choose(self._policy, self._state, self.fleet(telemetry), self._clock)
        return self.adopt(choice, telemetry, released)

    @property
    def plan(self) -> SlotPlan:
        """How the slot was decided; nodes' parts are in columns."""
        choice, slot = self._choice, self._decided.told.slot
        gap, wall_s = choice.gap_fraction, max(0.0, choice.decide_s)
        return SlotPlan(EPOCH, slot, (), (), choice.status, gap, wall_s)

    def close(self, balance: BalanceColumns, learned: LearnedColumns | None = None) -> SlotSummary:
        """Book the slot in one transaction; it is durable at the latest MOST_PENDING slots later, or once the ledger is
        closed: no node waits for it. ``learned``: None where nothing is. Raises LedgerError where one before could not
        be written."""
        booked = self.book(balance, learned)
        lines = node_lines(self._usage.lines_uj, balance["grid_uj"], booked.nodes_pg)
        self._pending.append(self.ledger.append([self._entry(balance, lines, booked, learned)]))
        if len(self._pending) > MOST_PENDING:
            self._pending.popleft().result()
        return booked.summary

    # --- parts ---------------------------------------------------------------------------------------------

    def _entry(
        self,
        balance: BalanceColumns,
        lines: NodeLines,
        booked: Booked,
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
            "lines": [dict(line) for line in booked.shared],
            "summary": {k: v for k, v in asdict(booked.summary).items() if not k.endswith("_nodes")},
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
            **({} if told.point is None else {"point": told.point}),
            **balance,
            "line_energy_uj": usage.lines_uj,
            "line_grid_uj": lines.grid_uj,
            "line_pg": lines.pg,
            **_pairs(self._decided, self._settled),
            "payload_bytes": usage.payload_bytes,
            "network_uj": booked.network.energy_uj,
            "network_pg": booked.network.pg,
            **({} if usage.model_bytes is None else {"model_bytes": usage.model_bytes}),
            **({} if learned is None else {"mean_loss": learned.mean_loss.astype(np.float32)}),
        }
        postings = slot_postings(balance, usage.lines, usage.lines_uj, lines, self._settled, booked.shared)
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
