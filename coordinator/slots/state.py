"""States of a slot and of a node in a run, and the events that change them: the state machine, in one place.

A slot::

                 decision              trade               slot_end
    not decided ----------> RUNNING ----------> TRADED ----------> ENDED

and each node with a decision in it::

             usage             booking
    WORKING -------> METERED ---------> BOOKED
       |                ^
       | gap            | usage, after the slot's end
       +----> MISSING --+

A gap comes with the slot's end, or at once where a reading was refused as implausible.

An arrow is an entry of the ledger (``coordinator.ledger.entry.Kind``): nothing moves that is not durable, so that a
restarted coordinator stands where the one before it stood. That the nodes were asked to close is not durable; a
restarted coordinator asks them again when the runner ends the slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from coordinator.ledger.entry import Kind, LedgerError
from coordinator.slots.trade import SettledTransfer, Transfer
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.slot import Decision, EnergyGrant, Telemetry, Usage
from protos.messages.stream import NodeProfile
from protos.messages.terms import HOLDERS, Stage


class Phase(StrEnum):
    """How far a decided slot is."""

    RUNNING = "running"
    """Nodes work and meter."""
    TRADED = "traded"
    """Transfers are settled with what was metered; nodes divide their joules."""
    ENDED = "ended"
    """Summed up. A reading that still comes is booked, its work as waste."""


class Standing(StrEnum):
    """How far a node is in a decided slot."""

    WORKING = "working"
    METERED = "metered"
    """Its usage is in the ledger."""
    BOOKED = "booked"
    """Its joules are booked: as it settled them, by estimate, or late."""
    MISSING = "missing"
    """The slot ended without its usage, or its reading was refused."""


SLOT_MOVES: Mapping[tuple[Phase, Kind], Phase] = {
    (Phase.RUNNING, Kind.TRADE): Phase.TRADED,
    (Phase.TRADED, Kind.SLOT_END): Phase.ENDED,
}
NODE_MOVES: Mapping[tuple[Standing, Kind], Standing] = {
    (Standing.WORKING, Kind.USAGE): Standing.METERED,
    (Standing.WORKING, Kind.GAP): Standing.MISSING,
    (Standing.MISSING, Kind.USAGE): Standing.METERED,
    (Standing.METERED, Kind.BOOKING): Standing.BOOKED,
}


@dataclass(slots=True)
class NodeState:
    """State of a node in the ledger."""

    profile: NodeProfile
    boot_id: str
    peer_address: str
    boots: set[str] = field(default_factory=set)
    acked_seq: int | None = None
    """Last message of this boot that is in the books."""
    opened: bool = False
    """Whether the battery's first content is booked."""
    uncertain: bool = False
    """After a gap or an estimate the battery may hold something else than the books say: once."""
    asleep: bool = False
    participations: int = 0
    harvested_uj: int = 0
    given_uj: int = 0
    """Booked harvest and exports of the run so far: what (D6) over the horizon counts."""
    carried_room: tuple[int, ...] | None = None
    carried_batches: tuple[int, ...] | None = None
    """What (D5) leaves of the older deadline classes; None without deferral or before the first slot."""


@dataclass(slots=True)
class SlotState:
    """A decided slot."""

    slot: int
    stage: Stage
    plan: SlotPlan
    decisions: dict[str, Decision]
    transfers: tuple[Transfer, ...]
    selected: frozenset[str] | None
    telemetry: dict[str, Telemetry]
    """Empty under a policy that negotiates."""
    boots: dict[str, str]
    market: dict[str, Any] | None = None
    """Cost and public record of the negotiation, where there was one."""
    phase: Phase = Phase.RUNNING
    standing: dict[str, Standing] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    """Batches of each owner that count so far."""
    wasted: dict[str, int] = field(default_factory=dict)
    """Batches of each executor that had counted elsewhere before."""
    away: dict[str, int] = field(default_factory=dict)
    """Counted batches of each owner that another node ran."""
    trade: tuple[SettledTransfer, ...] = ()
    """Outcome of the transfers, once traded."""
    posted: dict[str, list[SettledTransfer]] = field(default_factory=dict)
    """Transfers of ``trade`` that moved energy, by each node that gave or received."""
    settled: set[str] = field(default_factory=set)
    """Booked by the node's own settlement, in time."""
    totals: dict[str, int] = field(default_factory=dict)
    summary: SlotSummary | None = None
    """Once ended."""
    parcel_pairs: set[tuple[str, str]] = field(default_factory=set)
    """(owner, executor) of parcels whose network energy is booked."""

    def __post_init__(self) -> None:
        self.standing = dict.fromkeys(self.decisions, Standing.WORKING)

    def move(self, kind: Kind) -> None:
        """An entry of ``kind`` moves the slot on. Raises LedgerError where it may not come now."""
        if (self.phase, kind) not in SLOT_MOVES:
            raise LedgerError(
                f"an entry {kind} of slot {self.slot}, which is {self.phase}; allowed is "
                f"{_allowed(SLOT_MOVES, self.phase)}; look at the ledger with `detabed ledger verify`"
            )
        self.phase = SLOT_MOVES[self.phase, kind]

    def move_node(self, node: str, kind: Kind) -> None:
        """Likewise a node in the slot; one without a decision has no standing in it."""
        if node not in self.standing:
            return
        now = self.standing[node]
        if (now, kind) not in NODE_MOVES:
            raise LedgerError(
                f"an entry {kind} of {node} in slot {self.slot}, where it is {now}; allowed is "
                f"{_allowed(NODE_MOVES, now)}; look at the ledger with `detabed ledger verify`"
            )
        self.standing[node] = NODE_MOVES[now, kind]

    def is_working(self, node: str) -> bool:
        """Whether the node has a decision in the slot and has not metered it."""
        return self.standing.get(node) in (Standing.WORKING, Standing.MISSING)

    def owes_reading(self, node: str) -> bool:
        """Whether the slot waits for the node's reading: not for one whose reading was refused, which is a gap."""
        return self.standing.get(node) is Standing.WORKING

    def awaits_settlement(self, node: str) -> bool:
        """Whether the node may settle now: it has metered, and the slot is traded."""
        return self.phase is Phase.TRADED and self.standing.get(node) is Standing.METERED

    def awaits_trade(self, node: str) -> bool:
        """Whether the node has metered, and gets its grant with the trade, which is still to come."""
        return self.phase is Phase.RUNNING and self.standing.get(node) is Standing.METERED

    def is_metered(self, node: str) -> bool:
        """Whether the node's usage is in the ledger, and its joules are not booked."""
        return self.standing.get(node) is Standing.METERED

    def unbooked(self) -> list[str]:
        """Nodes that metered and are not booked, in the order in which their usage came."""
        return [node for node in self.usage if self.standing[node] is Standing.METERED]

    def count(self, usage: Usage) -> int:
        """Take up a usage and return how many of its batches are waste. First come, first counted: a batch that counted
        before costs joules again, but is no second result; after the slot's end nothing counts any more."""
        self.usage[usage.node_id] = usage
        wasted = 0
        for executed in usage.executed:
            before = self.counted.get(executed.owner, 0)
            counts = max(0, min(executed.batches, self.decided_batches(executed.owner) - before))
            if self.phase is Phase.ENDED:
                counts = 0
            self.counted[executed.owner] = before + counts
            if executed.owner != usage.node_id:
                self.away[executed.owner] = self.away.get(executed.owner, 0) + counts
            wasted += executed.batches - counts
        self.wasted[usage.node_id] = wasted
        return wasted

    def add(self, **amounts: int) -> None:
        """Booked amounts into ``totals``."""
        for name, amount in amounts.items():
            self.totals[name] = self.totals.get(name, 0) + amount

    def add_lines(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Grams of all booked lines, and joules of those of no node."""
        self.add(
            emissions_pg=sum(line["operational_pg"] for line in lines),
            shared_uj=sum(line["energy_uj"] for line in lines if line["node_id"] in HOLDERS),
        )

    @property
    def epoch(self) -> int:
        """The epoch it was decided in."""
        return self.plan.epoch

    def decided_batches(self, owner: str) -> int:
        """Batches of ``owner`` that count at most. A self-managed owner reports with its usage what it runs at home;
        until then only what others run for it is known."""
        decision, usage = self.decisions[owner], self.usage.get(owner)
        own = decision.own_batches
        if decision.self_managed and usage is not None and usage.own_work is not None:
            own = usage.own_work.own_batches
        return own + sum(send.batches for send in decision.sends)

    def undone_batches(self) -> int:
        """Batches that were decided and do not count."""
        return sum(self.decided_batches(owner) - self.counted.get(owner, 0) for owner in self.decisions)

    def backlog(self, node_id: str) -> tuple[int, ...] | None:
        """Own batches before the decision, by slots left; turns of lost nodes that it took over are due at once. None
        where a self-managed node has not disclosed it."""
        if node_id in self.telemetry:
            due, *later = self.telemetry[node_id].backlog_batches
            taken = sum(bool(each.lost_node) for each in self.decisions[node_id].recalled)
            return (due + taken, *later)
        usage = self.usage.get(node_id)
        return None if usage is None or usage.own_work is None else usage.own_work.backlog_batches

    def donor_battery_uj(self, node_id: str) -> int:
        """What a donor's battery may add to its exports: nothing in a market, where harvest alone is sold."""
        told = self.telemetry.get(node_id)
        return 0 if told is None else told.battery_uj

    def traded(self, outcome: Sequence[SettledTransfer]) -> None:
        """Take up the outcome of the trade."""
        self.trade = tuple(outcome)
        for transfer in self.trade:
            if transfer.posted:
                for node in dict.fromkeys((transfer.donor, transfer.recipient)):
                    self.posted.setdefault(node, []).append(transfer)

    def grants(self, node_id: str) -> tuple[int, int]:
        """(export, import) in uJ of a node once traded."""
        posted = self.transfers_of(node_id)
        export = sum(t.sent_uj for t in posted if t.donor == node_id)
        imported = sum(t.received_uj for t in posted if t.recipient == node_id)
        return export, imported

    def grant(self, node_id: str) -> EnergyGrant:
        """The trade's outcome as a node gets it."""
        return EnergyGrant(node_id, self.epoch, self.slot, *self.grants(node_id))

    def transfers_of(self, node_id: str) -> tuple[SettledTransfer, ...]:
        """Transfers that moved energy from or to a node, in the order of the trade."""
        return tuple(self.posted.get(node_id, ()))


def _allowed(moves: Mapping[tuple[Any, Kind], Any], now: StrEnum) -> str:
    return " or ".join(kind for state, kind in moves if state is now) or "none"
