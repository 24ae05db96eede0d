"""The tables of a run folder that are made from its ledger: their columns and kinds, in the order they are written.

Stored here once: the writer (coordinator.tables.export) and readers of run folders import it. No pandas here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from carbon_data.storage import TERMS
from coordinator.accounting.tree import RATIOS
from coordinator.slots.delivered import COUNTS


class Kind(StrEnum):
    """Type of a column's values. Null means missing, never zero."""

    INDEX = "index"
    """Whole number that places a row: a slot, a round. Never null."""
    WHOLE = "whole number"
    """Never null; reports read it as a number."""
    NUMBER = "number"
    """Never null where a node is known."""
    COUNT = "count or null"
    REAL = "number or null"
    FLAG = "flag"
    FLAG_OR_NULL = "flag or null"
    TEXT = "text"
    TEXT_OR_NULL = "text or null"
    NAME_OR_NULL = "name or null"
    TIME = "time"
    COUNTS = "list of counts"


@dataclass(frozen=True, slots=True)
class Column:
    """``needed``: reports refuse a table without it; other columns may be newer than a folder."""

    name: str
    kind: Kind
    needed: bool


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in their order. ``may_be_empty``: no row is no fault; ``may_lack``: older folders have no such table."""

    columns: tuple[Column, ...]
    may_be_empty: bool = False
    may_lack: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def needed(self) -> Mapping[str, Kind]:
        """Kinds of the columns that reports need, by name."""
        return {column.name: column.kind for column in self.columns if column.needed}


def table(*groups: Iterable[Column], may_be_empty: bool = False, may_lack: bool = False) -> Table:
    """A table of groups of columns."""
    return Table(tuple(column for group in groups for column in group), may_be_empty, may_lack)


def needed(kind: Kind, *names: str) -> list[Column]:
    """Columns of one kind that reports need."""
    return [Column(name, kind, True) for name in names]


def more(kind: Kind, *names: str) -> list[Column]:
    """Columns of one kind that reports can do without."""
    return [Column(name, kind, False) for name in names]


SLOTS = table(
    needed(Kind.INDEX, "slot"),
    needed(Kind.TIME, "time"),
    needed(Kind.TEXT, "stage", "node_id"),
    needed(Kind.TEXT_OR_NULL, "zone"),
    needed(Kind.REAL, "intensity_g_per_kwh"),
    needed(Kind.FLAG, "alive"),
    needed(Kind.FLAG_OR_NULL, "awake"),
    needed(Kind.FLAG, "metered"),
    more(Kind.FLAG_OR_NULL, "estimated", "late", "selected"),
    needed(Kind.REAL, *(f"{term.removesuffix('_uj')}_j" for term in TERMS)),
    needed(Kind.COUNT, "released_batches", "executed_batches", "guest_batches"),
    needed(Kind.COUNT, "offloaded_batches", "unserved_batches"),
    more(Kind.COUNT, "wasted_batches"),
    needed(Kind.COUNT, *COUNTS, "model_bytes"),
    needed(Kind.REAL, "operational_g"),
    more(Kind.COUNT, "users_up_bytes", "users_down_bytes", "outside_up_bytes", "outside_down_bytes"),
    more(Kind.TEXT_OR_NULL, "meter_kind"),
    more(Kind.REAL, "demand_half_width_j", "demand_bias_j", "meter_rate_hz", "meter_coverage_fraction"),
    more(Kind.COUNT, "meter_gaps"),
    more(Kind.REAL, "meter_window_s"),
    more(Kind.NAME_OR_NULL, "sleep_failed", "wake_provenance"),
    more(Kind.REAL, "wake_s", "wake_j", "wake_half_width_j"),
    more(Kind.REAL, "duration_s", "clock_offset_s", "clock_uncertainty_s"),
    more(Kind.NAME_OR_NULL, "harvest_kind"),
    more(Kind.REAL, "harvest_half_width_j", "harvest_bias_j", "harvest_rate_hz", "harvest_coverage_fraction"),
    more(Kind.REAL, "harvest_window_s", "battery_read_j"),
    more(Kind.REAL, "intensity_age_s"),
    more(Kind.FLAG_OR_NULL, "intensity_stale", "intensity_kept"),
    more(Kind.COUNT, "operating_point"),
    more(Kind.REAL, "frequency_mhz"),
)
"""A row for every slot and node. Bytes exchanged with users' devices: those of requests and data that were planned,
and those of outside clients. ``meter_kind``: how a sensor's joules came about (counter, power, estimate), else the
provenance of the lines (modelled, replayed). ``demand_half_width_j``: half of the 95 % interval of ``demand_j``;
``demand_bias_j``: the part of it that adds up over slots (carbon_data.intervals). Wake-ups are those of boards that
really sleep, idle power included; ``sleep_failed``: what could not be switched.
``duration_s``: of the node's window, on the wall clock. ``clock_offset_s``: by how much its monotonic clock was ahead
of the coordinator's when it was last measured before the slot was decided; ``clock_uncertainty_s``: how far that may be
off."""

SWITCHED = ("sleep_failed", "wake_provenance", "wake_s", "wake_j", "wake_half_width_j")
"""Columns of ``slots`` that are left out where no board was switched: such tables stay as they were."""

TIMED = ("duration_s", "clock_offset_s", "clock_uncertainty_s", "overrun_s", "missed", "undone_batches")
"""Columns of ``slots`` and ``decisions`` that are left out where slots were on the virtual clock."""

CLOCKED = ("operating_point", "frequency_mhz")
"""Columns of ``slots`` that are left out where no board has a clock to choose. ``operating_point``: its number in the
node's registration, 0 at full speed."""

GAUGED = ("battery_read_j", "battery_drift_j")
"""Columns of ``slots`` and ``nodes`` that are left out where no battery has a gauge. ``battery_read_j``: what it showed
before the slot, null where it was not read; ``battery_drift_j``: by how much readings went beyond its flows, in all."""

HARVESTED = (
    "harvest_kind",
    "harvest_half_width_j",
    "harvest_bias_j",
    "harvest_rate_hz",
    "harvest_coverage_fraction",
    "harvest_window_s",
)
"""Columns of ``slots`` that are left out where no harvest was measured: kind, interval, rate and coverage of a panel's
sensor, as those of a node's meter."""

LIVE = ("intensity_age_s", "intensity_stale", "intensity_kept")
"""Columns of ``slots`` that are left out where no intensity was live, now or when it was recorded. ``intensity_stale``:
older than the scenario calls fresh; ``intensity_kept``: older than it allows, and used because it says so."""

LINES = table(
    needed(Kind.INDEX, "slot"),
    needed(Kind.TEXT, "node_id", "zone", "stage", "component"),
    needed(Kind.NUMBER, "energy_j", "grid_j", "operational_g"),
    needed(Kind.TEXT, "provenance"),
    more(Kind.REAL, "half_width_j", "bias_j", "coverage_fraction"),
)
"""Energy lines by slot, holder, zone, stage, component and provenance. A metered line's part of its reading's interval,
and how much of the window was covered: null of modelled lines."""

BATCH_FLOWS = table(
    needed(Kind.INDEX, "slot"),
    needed(Kind.TEXT, "owner", "executor"),
    needed(Kind.WHOLE, "batches", "payload_bytes"),
    may_be_empty=True,
)

ENERGY_FLOWS = table(
    needed(Kind.INDEX, "slot"),
    needed(Kind.TEXT, "donor", "recipient"),
    more(Kind.NUMBER, "decided_j"),
    needed(Kind.NUMBER, "sent_j", "received_j"),
    needed(Kind.TEXT, "status"),
    more(Kind.TEXT, "reason"),
    may_be_empty=True,
)

PROFILE = table(
    needed(Kind.TEXT_OR_NULL, "zone"),
    more(Kind.REAL, "static_w", "sleep_w", "wake_j", "wake_s"),
    more(Kind.NUMBER, "tx_j_per_byte", "rx_j_per_byte"),
    more(Kind.COUNT, "storage_bytes"),
    more(Kind.REAL, "charge_efficiency_fraction", "discharge_efficiency_fraction"),
    more(Kind.REAL, "self_discharge_fraction", "charge_limit_w", "discharge_limit_w"),
    more(Kind.REAL, "export_loss_fraction", "import_loss_fraction"),
    more(Kind.TEXT_OR_NULL, "meter", "provenance"),
    more(Kind.COUNT, "num_examples"),
    more(Kind.TEXT_OR_NULL, "data_digest"),
)
"""Columns of ``nodes`` that are what a node registered, under the same names."""

SLEEP = "sleep"
SLEPT_BY_MODEL = "modelled"
"""What a node registered that slept by its board's profile, as all did before sleep could be real. The column is left
out where every node is one of these: such tables stay as they were."""

NODES = table(
    needed(Kind.TEXT, "node_id"),
    PROFILE.columns,
    more(Kind.REAL, "battery_capacity_j"),
    more(Kind.WHOLE, "slots", "unmetered_slots"),
    more(Kind.REAL, "adjustment_j"),
    needed(Kind.REAL, "demand_j", "grid_j"),
    more(Kind.REAL, "demand_half_width_j"),
    more(Kind.COUNT, "interval_slots"),
    more(Kind.REAL, "green_j", "harvest_j", "export_j", "import_j", "curtailed_j"),
    needed(Kind.REAL, "operational_g"),
    more(Kind.COUNT, "requests"),
    needed(Kind.COUNT, "tokens_in", "tokens_out", "bits", "executed_batches"),
    more(Kind.COUNT, "wasted_batches"),
    more(Kind.WHOLE, "participations"),
    more(Kind.REAL, "carried_j"),
    needed(Kind.REAL, *(f"{name}_node_bit_per_j" for name in RATIOS)),
    more(Kind.TEXT_OR_NULL, SLEEP),
    more(Kind.REAL, "battery_drift_j"),
)
"""TREE and EE of a node divide what it delivered by all joules it used in the run. ``interval_slots``: those whose
reading has an interval; ``demand_half_width_j`` is null unless all of ``slots`` have one."""

DECISIONS = table(
    needed(Kind.INDEX, "slot"),
    more(Kind.WHOLE, "epoch"),
    needed(Kind.TEXT, "status"),
    needed(Kind.REAL, "gap_fraction", "objective_g"),
    more(Kind.WHOLE, "nodes", "lost_nodes"),
    more(Kind.COUNT, "unserved_batches"),
    more(Kind.NAME_OR_NULL, "pairwise_reason"),
    # of slots that were negotiated; null elsewhere
    more(Kind.COUNT, "market_rounds", "market_messages", "market_bytes", "market_silent_nodes"),
    # on the wall clock, by the coordinator's
    more(Kind.REAL, "duration_s", "overrun_s"),
    more(Kind.FLAG_OR_NULL, "missed"),
    more(Kind.COUNT, "undone_batches"),
    more(Kind.COUNT, "handed_batches"),
    may_be_empty=True,
)

SERVING = table(
    needed(Kind.INDEX, "slot"),
    needed(Kind.TEXT, "node_id"),
    more(Kind.TEXT, "stage"),
    more(Kind.NAME_OR_NULL, "service"),
    needed(Kind.COUNT, *COUNTS),
    more(Kind.REAL, "latency_p50_s", "latency_p95_s", "latency_p99_s"),
    needed(Kind.COUNT, "deadline_misses", "unserved_requests", "outside_requests"),
    more(Kind.REAL, "outside_latency_p50_s", "outside_latency_p95_s", "outside_latency_p99_s"),
    more(Kind.REAL, "tokens_in_per_s", "tokens_out_per_s"),
    needed(Kind.REAL, "energy_j", "operational_g"),
    more(Kind.REAL, "joules_per_request", "joules_per_token", "grams_per_1000_tokens"),
    more(Kind.REAL, *(f"{name}_serving_bit_per_j" for name in RATIOS)),
    more(Kind.REAL, "carried_j", "prefill_s", "decode_s", "prefill_j", "decode_j"),
    more(Kind.COUNT, "failed_requests", "tokens_cached", "tokens_prefilled", "tokens_decoded", "wire_bytes"),
    more(Kind.REAL, "wasted_j", "other_wasted_j"),
    more(Kind.REAL, "joules_per_token_prefilled", "joules_per_token_decoded"),
    more(Kind.REAL, "first_token_p50_s", "first_token_p95_s", "token_gap_p50_s", "token_gap_p95_s"),
    needed(Kind.COUNTS, "latency_bins", "latency_counts"),
    may_be_empty=True,
    may_lack=True,
)
"""A row for every node, slot and service. Requests include those of outside clients; latencies of the two are apart,
for theirs are wall time. Tokens are those of tasks that generate; figures per token are over input and generated ones,
and null where there are none. TREE and EE divide by the joules of the row: the node's application lines and
``carried_j``, what requests and answers took in users' devices and in the network."""

SPOKEN = (
    *("failed_requests", "tokens_cached", "tokens_prefilled", "tokens_decoded", "wire_bytes"),
    *("wasted_j", "other_wasted_j", "joules_per_token_prefilled", "joules_per_token_decoded"),
    *("first_token_p50_s", "first_token_p95_s", "token_gap_p50_s", "token_gap_p95_s"),
)
"""Columns of ``serving`` that are left out where no language model was served. Decoded are the tokens after the first
one of each answer: that one comes out of reading the prompt."""

REQUESTS = table(
    needed(Kind.INDEX, "slot"),
    needed(Kind.TEXT, "node_id", "owner"),
    needed(Kind.WHOLE, "batch_id", "place"),
    more(Kind.NAME_OR_NULL, "failed"),
    more(Kind.FLAG_OR_NULL, "extra"),
    needed(
        Kind.WHOLE, "tokens_cached", "tokens_prefilled", "tokens_decoded", "tokens_out", "bits", "wire_bytes"
    ),
    needed(Kind.NUMBER, "prefill_j", "decode_j", "wasted_j", "operational_g"),
    more(Kind.REAL, "half_width_j", "joules_per_token_prefilled", "joules_per_token_decoded"),
    needed(Kind.NUMBER, "latency_s"),
    more(Kind.REAL, "first_token_s", "token_gap_s"),
    more(Kind.TEXT_OR_NULL, "part"),
    more(Kind.COUNT, "cache_bytes"),
    more(Kind.FLAG_OR_NULL, "same_answer"),
    more(Kind.COUNT, "conversation", "turn"),
    more(Kind.TEXT_OR_NULL, "user_at", "lost_node"),
    more(Kind.REAL, "handed_j", "handed_g", "hand_over_g", "read_again_j", "read_again_g"),
    may_be_empty=True,
    may_lack=True,
)
"""A row for every request to a language model. Runs without one have no such table. The joules of a node's rows in a
slot and ``other_wasted_j`` of ``serving`` add up to its application lines of computation, static power and waste. Grams
are these joules' share of the lines' grams. Two nodes may answer the same request, where the owner did not hear that
its batch had arrived: the first answer that was reported counts, the other row is ``extra``, failed and waste.
A request that two nodes shared has two rows: ``part`` is "read" where its prompt was read, "write" where it was
answered, null of a whole request. Of a later turn of a conversation ``part`` says with what it was answered
(protos.messages.terms.RequestPart); prices of handing over and reading again are there where the user has moved."""

HANDED = ("handed_batches", "part", "cache_bytes", "same_answer")
"""Columns of ``decisions`` and ``requests`` that are left out where no prompt was read on one node and answered on
another."""

TURNS = (
    *(
        "conversation",
        "turn",
        "user_at",
        "lost_node",
        "handed_j",
        "handed_g",
        "hand_over_g",
        "read_again_j",
        "read_again_g",
    ),
)
"""Columns of ``requests`` that are left out where there were no conversations."""

TWICE = ("extra",)
"""Columns of ``requests`` that are left out where no request was answered by two nodes."""

WHERE_THERE_ARE_ROWS = ("requests",)
"""Tables that are written where they have rows."""

TABLES: Mapping[str, Table] = {
    "slots": SLOTS,
    "lines": LINES,
    "batch_flows": BATCH_FLOWS,
    "energy_flows": ENERGY_FLOWS,
    "nodes": NODES,
    "decisions": DECISIONS,
    "serving": SERVING,
    "requests": REQUESTS,
}
"""By file name, without ``.parquet``."""
