"""Calls of the runner (Flower strategy and command line) to the coordinator."""

from __future__ import annotations

from dataclasses import dataclass, field

from protos.messages.slot import Decision
from protos.messages.terms import Component, Stage


@dataclass(frozen=True, slots=True)
class BeginSlot:
    """Decide slot ``slot``. Idempotent: a repeat returns the stored decision."""

    slot: int
    stage: Stage
    wait_s: float
    """Longest wait for telemetry of nodes that hold a lease."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """The whole decision of a slot, for the runner."""

    epoch: int
    slot: int
    decisions: tuple[Decision, ...]
    lost_nodes: tuple[str, ...]
    """Registered nodes without a lease."""
    status: str
    """``optimal``, ``feasible`` or ``rule``, with the solver's message; ``fallback: ...`` names a fallback that was
    used."""
    gap_fraction: float | None
    decide_s: float


@dataclass(frozen=True, slots=True)
class EndSlot:
    """Close, meter, trade, settle and book slot ``slot``. Idempotent.

    ``coordinator_uj`` and ``network_bytes`` of the runner's own part: central evaluation and aggregation work.
    """

    slot: int
    wait_s: float
    aggregated_parameters: int = 0
    evaluated_examples: int = 0


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """Totals of a slot, from the ledger."""

    slot: int
    emissions_pg: int
    grid_uj: int
    green_uj: int
    demand_uj: int
    moved_batches: int
    transferred_uj: int
    executed_batches: int
    unserved_batches: int
    settled_nodes: tuple[str, ...]
    missing_nodes: tuple[str, ...]
    """Nodes whose reading of this slot is missing: an explicit unmetered gap."""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    pass


@dataclass(frozen=True, slots=True)
class Status:
    run_id: str
    epoch: int
    next_slot: int
    nodes: tuple[str, ...]
    live_nodes: tuple[str, ...]
    pid: int


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """Totals of a run: per node and per stage."""

    node_id: str = ""
    """Empty: all nodes."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    node_id: str
    stage: Stage
    component: Component
    energy_uj: int
    emissions_pg: int


@dataclass(frozen=True, slots=True)
class Report:
    run_id: str
    lines: tuple[ReportLine, ...]
    tokens_in: int
    tokens_out: int
    bits: int
    requests: int
    labels: dict[str, str] = field(default_factory=dict)
