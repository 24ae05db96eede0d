"""The durable state of a run, as a fold over the ledger's entries.

``Books.apply`` is the only thing that changes it, live and in recovery alike, so that a coordinator restarted
after ``kill -9`` knows exactly what the one before it had made durable.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from coordinator.config import CoordinatorConfig
from coordinator.ledger.entry import Entry, Unit
from coordinator.market.backlog import Backlog
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.bookkeeping import COUNTS, parcels_of
from coordinator.slots.settle import SettledTransfer, Transfer
from protos.messages import (
    HOLDERS,
    Decision,
    NodeProfile,
    Register,
    SlotPlan,
    SlotSummary,
    Stage,
    Telemetry,
    Usage,
)

_REGISTER = TypeAdapter(Register)
_TELEMETRY = TypeAdapter(Telemetry)
_USAGE = TypeAdapter(Usage)
_PLAN = TypeAdapter(SlotPlan)
_SUMMARY = TypeAdapter(SlotSummary)
_SETTLED = TypeAdapter(list[SettledTransfer])


@dataclass(slots=True)
class NodeState:
    """What the ledger knows of a node."""

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
    usage: dict[str, Usage] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    """Batches of each owner that count so far."""
    wasted: dict[str, int] = field(default_factory=dict)
    """Batches of each executor that had counted elsewhere before."""
    away: dict[str, int] = field(default_factory=dict)
    """Counted batches of each owner that another node ran."""
    trade: tuple[SettledTransfer, ...] | None = None
    booked: set[str] = field(default_factory=set)
    settled: set[str] = field(default_factory=set)
    """Booked by the node's own settlement, in time."""
    totals: dict[str, int] = field(default_factory=dict)
    summary: SlotSummary | None = None
    parcel_pairs: set[tuple[str, str]] = field(default_factory=set)
    """(owner, executor) of parcels whose network energy is booked."""

    @property
    def epoch(self) -> int:
        """The epoch it was decided in."""
        return self.plan.epoch

    def decided_batches(self, owner: str) -> int:
        """Batches of ``owner`` that count at most. What a self-managed owner runs at home it says with its usage;
        until then only what others run for it is known."""
        decision, usage = self.decisions[owner], self.usage.get(owner)
        own = decision.own_batches
        if decision.self_managed and usage is not None and usage.own_work is not None:
            own = usage.own_work.own_batches
        return own + sum(send.batches for send in decision.sends)

    def backlog(self, node_id: str) -> tuple[int, ...] | None:
        """Own batches before the decision, by slots left; None where a self-managed node has not disclosed it."""
        if node_id in self.telemetry:
            return self.telemetry[node_id].backlog_batches
        usage = self.usage.get(node_id)
        return None if usage is None or usage.own_work is None else usage.own_work.backlog_batches

    def donor_battery_uj(self, node_id: str) -> int:
        """What a donor's battery may add to its exports: nothing in a market, where harvest alone is sold."""
        told = self.telemetry.get(node_id)
        return 0 if told is None else told.battery_uj

    def grants(self, node_id: str) -> tuple[int, int]:
        """(export, import) in uJ of a node once traded."""
        posted = [t for t in self.trade or () if t.posted]
        export = sum(t.sent_uj for t in posted if t.donor == node_id)
        imported = sum(t.received_uj for t in posted if t.recipient == node_id)
        return export, imported

    def transfers_of(self, node_id: str) -> tuple[SettledTransfer, ...]:
        return tuple(t for t in self.trade or () if t.posted and node_id in (t.donor, t.recipient))


class Books:
    """State of the run after the entries applied so far."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self.config = config
        self.epoch = 0
        self.nodes: dict[str, NodeState] = {}
        self.slots: dict[int, SlotState] = {}
        self.waiting: dict[str, Telemetry] = {}
        """Telemetry for the next slot to be decided."""
        self.balances: dict[tuple[str, Unit], int] = {}
        self.delivered = dict.fromkeys(COUNTS, 0)
        """Requests, tokens and bits delivered so far."""
        self.alarms = self.fallbacks = self.gaps = 0

    @property
    def next_slot(self) -> int:
        """The slot to be decided next."""
        return len(self.slots)

    @property
    def open_slot(self) -> SlotState | None:
        """The last decided slot, while it is not ended."""
        last = self.slots.get(self.next_slot - 1)
        return last if last is not None and last.summary is None else None

    def battery_uj(self, node_id: str) -> int:
        return self.balances.get((f"node/{node_id}/battery", Unit.MICROJOULES), 0)

    def apply(self, entry: Entry) -> None:
        """Take up one entry. Entries come in the order of the ledger."""
        for posting in entry.postings:
            key = (posting.account, posting.unit)
            self.balances[key] = self.balances.get(key, 0) + posting.amount
        handler = getattr(self, f"_on_{entry.kind.value}")
        handler(entry, json.loads(entry.text))

    # --- one handler a kind --------------------------------------------------------------------------------

    def _on_start(self, entry: Entry, body: dict[str, Any]) -> None:
        self.epoch = body["epoch"]

    def _on_registration(self, entry: Entry, body: dict[str, Any]) -> None:
        message = _REGISTER.validate_python(body)
        known = self.nodes.get(message.node_id)
        if known is None:
            known = NodeState(message.profile, message.boot_id, message.peer_address)
            self.nodes[message.node_id] = known
        elif known.boot_id != message.boot_id:
            known.profile, known.peer_address = message.profile, message.peer_address
            known.boot_id, known.acked_seq = message.boot_id, None
            known.uncertain = True
            self.waiting.pop(message.node_id, None)
        known.boots.add(message.boot_id)

    def _on_telemetry(self, entry: Entry, body: dict[str, Any]) -> None:
        message = _TELEMETRY.validate_python(body)
        self._acked(message.node_id, message.boot_id, message.seq)
        self.nodes[message.node_id].uncertain = False
        self.waiting[message.node_id] = message

    def _on_opening(self, entry: Entry, body: dict[str, Any]) -> None:
        self.nodes[entry.node_id].opened = True

    def _on_adjustment(self, entry: Entry, body: dict[str, Any]) -> None:
        self.nodes[entry.node_id].uncertain = False

    def _on_decision(self, entry: Entry, body: dict[str, Any]) -> None:
        plan = _PLAN.validate_python(body["plan"])
        decisions = {decision.node_id: decision for decision in plan.decisions}
        selected = None if body["selected"] is None else frozenset(body["selected"])
        market = body.get("market")
        telemetry = {node: self.waiting[node] for node in decisions} if market is None else {}
        slot = SlotState(
            slot=plan.slot,
            stage=Stage(body["stage"]),
            plan=plan,
            decisions=decisions,
            transfers=tuple(Transfer(*row) for row in body["transfers"]),
            selected=selected,
            telemetry=telemetry,
            boots={n: told.boot_id for n, told in telemetry.items()} if market is None else body["boots"],
            market=market,
        )
        self.slots[plan.slot] = slot
        self.waiting.clear()
        self.fallbacks += int(plan.status.startswith("fallback"))
        for node_id, decision in decisions.items():
            state = self.nodes[node_id]
            left = self._left_after(telemetry[node_id], decision) if market is None else None
            if left is not None:
                state.carried_batches, state.carried_room = left
            state.asleep = not decision.awake

    def _on_usage(self, entry: Entry, body: dict[str, Any]) -> None:
        usage = _USAGE.validate_python(body)
        self._acked(usage.node_id, usage.boot_id, usage.seq)
        slot = self.slots[usage.slot]
        slot.usage[usage.node_id] = usage
        wasted = 0
        # First come, first counted: a batch that counted before costs joules again, but is no second result.
        for executed in usage.executed:
            before = slot.counted.get(executed.owner, 0)
            counts = max(0, min(executed.batches, slot.decided_batches(executed.owner) - before))
            if slot.summary is not None:
                counts = 0
            slot.counted[executed.owner] = before + counts
            if executed.owner != usage.node_id:
                slot.away[executed.owner] = slot.away.get(executed.owner, 0) + counts
            wasted += executed.batches - counts
        slot.wasted[usage.node_id] = wasted
        if slot.stage in TRAINING_STAGES and sum(e.batches for e in usage.executed) > wasted:
            self.nodes[usage.node_id].participations += 1

    def _on_trade(self, entry: Entry, body: dict[str, Any]) -> None:
        assert entry.slot is not None
        self.slots[entry.slot].trade = tuple(_SETTLED.validate_python(body["transfers"]))

    def _on_settlement(self, entry: Entry, body: dict[str, Any]) -> None:
        self._acked(body["node_id"], body["boot_id"], body["seq"])

    def _on_booking(self, entry: Entry, body: dict[str, Any]) -> None:
        assert entry.slot is not None
        slot = self.slots[entry.slot]
        slot.booked.add(entry.node_id)
        if body["estimated"]:
            self.nodes[entry.node_id].uncertain = True
        else:
            slot.settled.add(entry.node_id)
        if body["late"]:  # the network's line of a parcel is booked with whichever end reports first
            late = parcels_of([slot.usage[entry.node_id]])
            slot.parcel_pairs |= {(parcel.owner, parcel.executor) for parcel in late}
        balance, state = body["balance"], self.nodes[entry.node_id]
        state.harvested_uj += balance["harvest_uj"]
        state.given_uj += balance["export_uj"]
        self._add(slot, body["lines"])
        for name in ("demand_uj", "grid_uj", "green_uj"):
            slot.totals[name] = slot.totals.get(name, 0) + balance[name]
        for name in COUNTS:
            self.delivered[name] += body[name]

    def _on_gap(self, entry: Entry, body: dict[str, Any]) -> None:
        self.gaps += 1
        if entry.node_id in self.nodes:
            self.nodes[entry.node_id].uncertain = True

    def _on_slot_end(self, entry: Entry, body: dict[str, Any]) -> None:
        summary = _SUMMARY.validate_python(body["summary"])
        slot = self.slots[summary.slot]
        self._add(slot, body["lines"])
        slot.parcel_pairs = {(parcel["owner"], parcel["executor"]) for parcel in body["parcels"]}
        slot.summary = summary

    def _on_alarm(self, entry: Entry, body: dict[str, Any]) -> None:
        self.alarms += 1

    # --- helpers -------------------------------------------------------------------------------------------

    def _acked(self, node_id: str, boot_id: str, seq: int) -> None:
        state = self.nodes[node_id]
        if state.boot_id == boot_id:
            state.acked_seq = seq if state.acked_seq is None else max(seq, state.acked_seq)

    def _add(self, slot: SlotState, lines: Sequence[dict[str, Any]]) -> None:
        total = sum(line["operational_pg"] for line in lines)
        slot.totals["emissions_pg"] = slot.totals.get("emissions_pg", 0) + total
        shared = sum(line["energy_uj"] for line in lines if line["node_id"] in HOLDERS)
        slot.totals["shared_uj"] = slot.totals.get("shared_uj", 0) + shared

    def offload_room(self, node_id: str, telemetry: Telemetry) -> tuple[int, ...] | None:
        """(Q+1,) batches by deadline class that (D5) lets ``node_id`` have run elsewhere; None without
        deferral.
        """
        if self.config.limits.deadline_slots == 0:
            return None
        carried = self.nodes[node_id].carried_room
        backlog = telemetry.backlog_batches
        fresh = tuple(_cap(self.config, batches) for batches in backlog)
        if carried is None:
            return fresh
        rooms = [
            *(min(room, count) for room, count in zip(carried[:-1], backlog[:-1], strict=True)),
            fresh[-1],
        ]
        # Work released late in a stage, or with a tight latency target, joins what has waited in its class.
        new, waited = self._class_of_new_work(telemetry.slot), self.nodes[node_id].carried_batches
        if new < len(rooms) - 1 and waited is not None:
            added = _cap(self.config, max(0, backlog[new] - waited[new]))
            rooms[new] = min(rooms[new] + added, backlog[new])
        return tuple(rooms)

    def _class_of_new_work(self, slot: int) -> int:
        """Slots that work released in ``slot`` may wait: to its deadline, within its own stage."""
        stages, patience = self.config.stages, self.config.limits.deadline_slots
        if slot >= len(stages):
            return patience
        if stages[slot] is Stage.APPLICATION and self.config.request_deadline_slots is not None:
            patience = min(patience, self.config.request_deadline_slots)
        last = min(slot + patience, len(stages) - 1)
        return max(t for t in range(slot, last + 1) if stages[t] is stages[slot]) - slot

    def _left_after(
        self, telemetry: Telemetry, decision: Decision
    ) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """(batches, room) by deadline class one slot later, before new work; None without deferral."""
        room = self.offload_room(telemetry.node_id, telemetry)
        if room is None:
            return None
        backlog = Backlog(
            np.array([telemetry.backlog_batches], dtype=np.int64), np.array([room], dtype=np.int64)
        )
        away = sum(send.batches for send in decision.sends)
        try:
            later, _ = backlog.advance(np.array([decision.own_batches]), np.array([away]))
        except ValueError as error:  # the guard has checked this decision: a broken invariant, not an input
            raise AssertionError(f"node {telemetry.node_id}: {error}") from error
        return tuple(int(n) for n in later.batches[0]), tuple(int(n) for n in later.room[0])


def _cap(config: CoordinatorConfig, batches: int) -> int:
    return int(np.floor(config.limits.offload_cap_fraction * batches + 1e-9))


def missed_batches(slot: SlotState, node_id: str) -> int:
    """Own batches of a node that were missed in ``slot``; 0 for a node not selected."""
    if slot.selected is not None and slot.stage in TRAINING_STAGES and node_id not in slot.selected:
        return 0
    usage, backlog = slot.usage.get(node_id), slot.backlog(node_id)
    return count_missed(
        due=0 if backlog is None else backlog[0],  # undisclosed: the gap in the books says so
        counted=slot.counted.get(node_id, 0),
        away=slot.away.get(node_id, 0),
        sent=0 if usage is None else sum(moved.batches for moved in usage.moved if moved.sent),
    )


def count_missed(*, due: int, counted: int, away: int, sent: int) -> int:
    """(D4) in one slot: own batches at their deadline that nobody ran, and batches that an executor took and
    did not run, whatever their deadline: they are in nobody's backlog any more.

    ``counted`` batches of the owner count, ``away`` of them ran elsewhere; ``sent`` were delivered, as the
    owner reports it. Most urgent batches stay at home (edge_node), so that those sent are the least urgent.
    """
    delivered = max(sent, away)  # a receipt may be lost, or the owner silent
    home = counted - away
    return max(0, due - home - delivered) + delivered - away
