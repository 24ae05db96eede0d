"""The nodes of a virtual fleet: rows of arrays that answer a slot's messages as edge_node.slots does node by node.

They are metered by their boards' models, and lose no message. What they learn is trained apart (trainer.py): the joules
follow from counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carbon_data.exact import Ints
from carbon_data.storage_columns import BalanceColumns, BatteryColumns, balance_columns
from edge_node.columns.backlog import BacklogColumns
from edge_node.columns.harvest import HarvestColumns
from edge_node.columns.load import load_of, workload_of
from edge_node.columns.meter import BoardColumns, line_names, metered_uj
from edge_node.columns.work import WorkColumns, work_of
from edge_node.config import NodeConfig
from edge_node.energy.battery import battery_of
from edge_node.meters.base import MeterContext
from edge_node.meters.modelled import ModelledMeter
from edge_node.slots.profile import node_profile
from protos.messages.columns import DecisionColumns, GrantColumns, TelemetryColumns, UsageColumns
from protos.messages.stream import NodeProfile
from protos.messages.terms import Stage


class VirtualNodes:
    """N nodes of one run.

    In each slot: ``telemetry``, ``run`` the decision, ``settle`` the trade."""

    def __init__(self, configs: Sequence[NodeConfig]) -> None:
        """Raises ValueError for nodes with another meter, or of which some learn and others do not."""
        first = configs[0]
        if first.meter != ModelledMeter.name:
            raise ValueError(f'virtual nodes have the meter "{ModelledMeter.name}"; got {first.meter}')
        self._slot_s, self._horizon = first.slot_s, first.horizon_slots
        self._stages = first.stages
        self.load = load_of(configs)
        self._boards = BoardColumns.of([config.board for config in configs])
        batteries = [battery_of(config.battery, config.slot_s) for config in configs]
        self._batteries = BatteryColumns.of(batteries)
        initial = [0.0 if c.battery is None else c.battery.initial_fraction for c in configs]
        self._first_uj: Ints = np.array(
            [
                min(round(b.capacity_uj * part), b.capacity_uj)
                for b, part in zip(batteries, initial, strict=True)
            ],
            dtype=np.int64,
        )
        self._harvest = HarvestColumns([config.harvest for config in configs], first.slot_s)
        self._deadline_slots = first.deadline_slots
        self.restart()

    def restart(self) -> None:
        """Go back to before the first slot."""
        self.battery_uj: Ints = self._first_uj.copy()
        """(N,) stored before the slot that the nodes are in."""
        self._harvest.restart()
        self._backlog = BacklogColumns(self._stages, self._deadline_slots, self.load.demand)
        self._slept = np.zeros(len(self.battery_uj), dtype=bool)

    @staticmethod
    def profiles(configs: Sequence[NodeConfig]) -> tuple[NodeProfile, ...]:
        """What the nodes register."""
        found = []
        for config in configs:
            workloads = {Stage.DEVELOPMENT: workload_of(config)}
            meter = ModelledMeter(MeterContext(config.board, config.slot_s))
            found.append(node_profile(config, workloads, meter))
        return tuple(found)

    def telemetry(self, slot: int) -> TelemetryColumns:
        """State before ``slot``, which begins; call once per slot, in order."""
        self.released_batches = self._backlog.release(slot)
        return TelemetryColumns(
            slot=slot,
            battery_uj=self.battery_uj.copy(),
            harvest_forecast_uj=self._harvest.forecast_uj(slot, self._horizon),
            backlog_batches=self._backlog.counts(),
            release_forecast_batches=self._backlog.forecast(slot, self._horizon),
        )

    def work(self, decision: DecisionColumns) -> WorkColumns:
        """Which batches each node runs under ``decision``. Ask before ``run``, which takes them."""
        return work_of(decision, self._backlog.first)

    def run(self, decision: DecisionColumns, epochs: Ints | None = None) -> UsageColumns:
        """Move batches, do the slot's work and read the meters. ``epochs``: see Load.flop."""
        nodes, moves, load = len(self.battery_uj), decision.moves, self.load
        payload = moves.batches * load.bytes_per_batch

        def at(rows: Ints, amounts: Ints) -> Ints:
            return np.bincount(rows, amounts, nodes).astype(np.int64)

        away, guests = at(moves.owner, moves.batches), at(moves.executor, moves.batches)
        executed = np.where(decision.awake, decision.own_batches + guests, 0)
        self._backlog.run(decision.own_batches + away)
        one_way = np.where(executed > 0, load.model_bytes, 0)
        lines = metered_uj(
            self._boards.at(decision.point),
            awake=decision.awake,
            woke=decision.awake & self._slept,
            flop=load.flop(executed, epochs),
            tx_bytes=at(moves.owner, payload) + one_way,
            rx_bytes=at(moves.executor, payload) + one_way,
            slot_s=self._slot_s,
        )
        self._slept = ~decision.awake
        self._decision = decision
        usage = UsageColumns(
            slot=decision.slot,
            lines=line_names(decision.stage),
            lines_uj=lines,
            harvest_uj=self._harvest.energy_uj(decision.slot),
            executed_batches=executed,
            payload_bytes=payload,
            model_bytes=2 * one_way if load.learns else None,
        )
        self._usage = usage
        return usage

    def settle(self, grant: GrantColumns) -> BalanceColumns:
        """Balance every bus, and go on to the next slot. Call once after ``run``."""
        usage = self._usage
        found = balance_columns(
            self._batteries,
            self.battery_uj,
            demand_uj=usage.lines_uj.sum(axis=1),
            harvest_uj=usage.harvest_uj,
            import_uj=grant.import_uj,
            export_uj=grant.export_uj,
            charge_uj=self._decision.charge_uj,
            discharge_uj=self._decision.discharge_uj,
        )
        self.battery_uj = found["battery_after_uj"]
        return found
