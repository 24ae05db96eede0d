"""Slots of a virtual fleet, by column, without a ledger: the fleet before a slot, its trade, its energy and grams.

A run's coordinator (coordinator.py) asks a policy and writes the ledger; an environment for learning
(experiments.environments) is told each decision. Both book what is here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from carbon_data.exact import Ints
from carbon_data.storage_columns import BalanceColumns
from carbon_data.units import to_micro
from coordinator.columns.decision import Decided, decided
from coordinator.columns.lines import NetworkLines, grams_pg, model_lines, network_lines, network_rows
from coordinator.columns.trade import SettledColumns, Trade
from coordinator.config import CoordinatorConfig
from coordinator.market.backlog import Backlog
from coordinator.market.fleet import Fleet, Floats
from coordinator.policies.guard import TRAINING_STAGES, Choice
from coordinator.slots.columns import ProfileColumns, StandingColumns
from coordinator.slots.deferral import as_planned, offload_rooms
from coordinator.slots.fleet_view import fleet_of_columns
from coordinator.slots.lines import Row, own_lines
from protos.messages.columns import (
    DecisionColumns,
    GrantColumns,
    LearnedColumns,
    TelemetryColumns,
    UsageColumns,
)
from protos.messages.runner import SlotSummary
from protos.messages.stream import NodeProfile


@dataclass(frozen=True, slots=True)
class Booked:
    """Energy and grams of a slot."""

    intensity_g_per_kwh: Floats
    """(N,)"""
    nodes_pg: Ints
    """(N,) of each node's grid energy."""
    network: NetworkLines
    """(M,) of every move."""
    shared: list[Row]
    """Lines of network, coordinator and router."""
    summary: SlotSummary


class ColumnSlots:
    """What the coordinator of N nodes that are rows keeps from slot to slot.

    In each slot: ``fleet`` on telemetry, ``adopt`` a choice, ``trade`` what was metered, ``book`` the balances."""

    def __init__(self, config: CoordinatorConfig, profiles: Sequence[NodeProfile]) -> None:
        self._config = config
        self._profiles = ProfileColumns.of(profiles, config.stages)
        self._trade = Trade(self._profiles, config.slot_s)
        self._intensity = {zone.zone: zone.intensity_g_per_kwh for zone in config.zones}
        self.restart()

    def restart(self) -> None:
        """Go back to before the first slot."""
        nodes = len(self._profiles.zones)
        self._asleep = np.zeros(nodes, dtype=bool)
        self._participations, self._harvested_uj, self._given_uj = (
            np.zeros(nodes, dtype=np.int64) for _ in range(3)
        )
        self._mean_loss = np.full(nodes, np.nan)
        self._carried: Backlog | None = None
        self._room: Ints | None = None

    def standing(self, telemetry: TelemetryColumns) -> StandingColumns:
        """What is known of the nodes from the slots before that of ``telemetry``; call once per slot, in order."""
        config = self._config
        self.waiting_batches = telemetry.backlog_batches
        if config.limits.deadline_slots:
            self.waiting_batches = as_planned(
                config, telemetry.slot, telemetry.backlog_batches, self._carried
            )
            self._room = offload_rooms(config, telemetry.slot, self.waiting_batches, self._carried)
        return StandingColumns(
            asleep=self._asleep.copy(),
            participations=self._participations.copy(),
            harvested_uj=self._harvested_uj,
            given_uj=self._given_uj,
            mean_loss=self._mean_loss.copy(),
            offload_room=None if self._room is None else self._room.copy(),
        )

    def fleet(self, telemetry: TelemetryColumns) -> Fleet:
        """The fleet before the slot of ``telemetry``; call once per slot, in order."""
        config, standing = self._config, self.standing(telemetry)
        return fleet_of_columns(
            config,
            config.node_ids,
            self._profiles,
            replace(telemetry, backlog_batches=self.waiting_batches),
            standing,
            self._intensity,
        )

    def adopt(self, choice: Choice, telemetry: TelemetryColumns, released: Ints) -> DecisionColumns:
        """What nodes are told of a checked choice. ``released``: (N,) new batches of the slot."""
        slot = telemetry.slot
        self._choice = choice
        self._decided: Decided = decided(slot, self._config.stages[slot], choice)
        self._telemetry, self._released = telemetry, released
        if self._room is not None:
            told = self._decided.told
            backlog = Backlog(self.waiting_batches, self._room)
            self._carried, _ = backlog.advance(told.own_batches, self._away())
        return self._decided.told

    def trade(self, usage: UsageColumns) -> GrantColumns:
        """Settle the decided transfers with what was metered."""
        self._usage = usage
        told = self._decided.told
        self._settled: SettledColumns = self._trade.settle(
            self._decided.transfers, usage.harvest_uj, self._telemetry.battery_uj, told.discharge_uj
        )
        return self._settled.grants(len(usage.harvest_uj))

    def book(self, balance: BalanceColumns, learned: LearnedColumns | None = None) -> Booked:
        """Energy and grams of the slot, which ends. ``learned``: None where nothing is."""
        usage, told = self._usage, self._decided.told
        at = np.array([self._intensity[zone][told.slot] for zone in self._profiles.zones])
        nodes_pg = grams_pg(balance["grid_uj"], at)
        net = self._config.limits.net_j_per_byte
        network = network_lines(told.moves, usage.payload_bytes, at, net)
        models = None if usage.model_bytes is None else model_lines(usage.model_bytes, at, net)
        shared = [
            *network_rows(told.moves, network, self._profiles.zones, told.stage, models),
            *self._own_rows(told.slot, learned),
        ]
        booked = Booked(at, nodes_pg, network, shared, self._summary(balance, nodes_pg, shared))
        self._keep(balance)
        if learned is not None:
            self._mean_loss = np.where(np.isnan(learned.mean_loss), self._mean_loss, learned.mean_loss)
        return booked

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

    def _summary(self, balance: BalanceColumns, nodes_pg: Ints, shared: Sequence[Row]) -> SlotSummary:
        told, shared_uj = self._decided.told, sum(line["energy_uj"] for line in shared)
        away = self._away()
        return SlotSummary(
            slot=told.slot,
            emissions_pg=int(nodes_pg.sum()) + sum(line["operational_pg"] for line in shared),
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
