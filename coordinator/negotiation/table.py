"""A slot's market: its nodes, the quantities that are public to all, its questions and its outcome. Pure.

Nothing here holds a battery's content, a harvest or a backlog: a market that is written against ``Table`` cannot use
them. Bodies (power, efficiencies, seconds and joules of a batch) are what nodes register.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Fleet, Floats, Limits
from coordinator.market.pairs import Moves, Pairs, Transfers, no_moves, no_transfers
from protos.messages.market import Fill, MarketCall, MarketKind, MarketNews, MarketTerms, Offers


@dataclass(frozen=True)
class Table:
    """Public quantities of N nodes before a slot. H slots of look-ahead; symbols as in market.fleet."""

    node_ids: tuple[str, ...]
    slot: int
    slot_s: float
    limits: Limits
    intensity_g_per_kwh: Floats
    """(N, H)."""
    later_g_per_kwh: Floats
    """(N,) mean intensity of the last day of the look-ahead where the run goes on after it, else 0."""
    seconds_per_batch: Floats
    """(N, H)."""
    joules_per_batch: Floats
    """(N, H)."""
    bytes_per_batch: Floats
    """(H,)."""
    offloadable: Bools
    """(H,)."""
    static_w: Floats
    tx_j_per_byte: Floats
    rx_j_per_byte: Floats
    export_efficiency: Floats
    import_efficiency: Floats
    decision_slots: int | None = None
    """Slots of the look-ahead that a market decides; what is known beyond them values what is stored. None: all."""
    epoch: int = 0
    attempt: int = 0
    """How often the market was reopened without a node that did not answer."""

    @classmethod
    def of(cls, fleet: Fleet) -> Table:
        """Public quantities of a simulated fleet; losses in product form."""
        eta = fleet.discharge_efficiency
        later = np.divide(
            fleet.stored_value_g_per_j * JOULES_PER_KWH, eta, out=np.zeros_like(eta), where=eta > 0
        )
        same = (
            *("node_ids", "slot", "slot_s", "limits", "intensity_g_per_kwh", "seconds_per_batch"),
            *("joules_per_batch", "bytes_per_batch", "offloadable", "static_w"),
            *("tx_j_per_byte", "rx_j_per_byte", "export_efficiency", "import_efficiency", "decision_slots"),
        )
        return cls(**{name: getattr(fleet, name) for name in same}, later_g_per_kwh=later)

    @property
    def size(self) -> int:
        """N."""
        return len(self.node_ids)

    @property
    def horizon(self) -> int:
        """H."""
        return self.intensity_g_per_kwh.shape[1]

    def terms(self, place: int, kind: MarketKind, horizon: int | None = None, **fields: Any) -> MarketTerms:
        """Terms for one node; ``fields`` add to the terms of every market. ``horizon`` cuts the look-ahead."""
        seen = slice(0, self.horizon if horizon is None else min(horizon, self.horizon))
        values: dict[str, Any] = {"scarcity": ()} | fields
        return MarketTerms(
            kind=kind,
            intensity_g_per_kwh=_numbers(self.intensity_g_per_kwh[place, seen]),
            later_g_per_kwh=float(self.later_g_per_kwh[place]),
            offload_cap_fraction=self.limits.offload_cap_fraction,
            transfer_cap_fraction=self.limits.transfer_cap_fraction,
            net_j_per_byte=self.limits.net_j_per_byte,
            bytes_per_batch=_numbers(self.bytes_per_batch[seen]),
            offloadable=tuple(bool(may) for may in self.offloadable[seen]),
            **values,
        )

    def call(self, place: int, terms: MarketTerms) -> MarketCall:
        return MarketCall(self.node_ids[place], self.epoch, self.slot, self.attempt, terms)

    def news(self, place: int, round_: int, fills: tuple[Fill, ...] = (), **fields: Any) -> MarketNews:
        node = self.node_ids[place]
        return MarketNews(node, self.epoch, self.slot, self.attempt, round_, fills, **fields)


def _numbers(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


@dataclass(frozen=True)
class Agreed:
    """Outcome of a slot's market."""

    moves: Moves
    """Batches of an owner (source) that another node (target) runs; the rest is each node's own choice."""
    transfers: Transfers
    """Energy, J, leaving a donor's (source) green bus for a recipient (target)."""
    status: str
    notes: dict[str, float] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    """Public results (JSON) for the ledger: what a policy needs to go on from after a restart."""

    @classmethod
    def nothing(cls, status: str) -> Agreed:
        """No node trades: every node runs its own work on its own energy."""
        return cls(no_moves(), no_transfers(), status)


def moved(work: Transfers) -> Moves:
    """Batches from owner to executor, of whole amounts that go from executor (giver of time) to owner."""
    return Pairs.of(work.target, work.source, np.rint(work.amount).astype(np.int64))


def sent(table: Table, energy: Transfers) -> Transfers:
    """Energy as it leaves the donors' green buses, of amounts in the hub's units."""
    out = table.export_efficiency[energy.source]
    return energy.with_amounts(np.divide(energy.amount, out, out=np.zeros_like(out), where=out > 0))


Questions = Sequence[MarketCall | MarketNews]
"""One for every place at the table."""
Market = Generator[Questions, list[Offers], Agreed]
"""A market in conversation: yields what it asks, is sent what all answered, returns what was agreed."""
S = TypeVar("S")


@runtime_checkable
class Negotiating(Protocol):
    """A policy that needs public quantities only: over gRPC it is asked this way, and never for ``decide``."""

    @property
    def name(self) -> str: ...

    def init(self, seed: int) -> Any: ...

    def negotiate(self, table: Table, state: Any) -> Market:
        """The market of ``table.slot``."""
        ...

    def recall(self, table_ids: tuple[str, ...], slot: int, state: Any, record: dict[str, Any]) -> Any:
        """State after a slot whose market left ``record``, live and after a restart alike."""
        ...
