"""The durable state of a run, as a fold over the ledger's entries.

``Books.apply`` is the only thing that changes it, live and in recovery alike, so that a coordinator restarted
after ``kill -9`` knows exactly what the one before it had made durable. What an entry moves is in
coordinator.slots.state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from coordinator.config import CoordinatorConfig, ForecastIssue
from coordinator.ledger.entry import Entry, Kind, Unit
from coordinator.policies.guard import TRAINING_STAGES
from coordinator.slots.asked_turns import AskedTurns
from coordinator.slots.deferral import later_undecided, left_after
from coordinator.slots.delivered import COUNTS
from coordinator.slots.lines import parcels_of
from coordinator.slots.protocol import Effects
from coordinator.slots.run_time import RunTime
from coordinator.slots.savepoint import WITHIN, Savepoint, Together, Within
from coordinator.slots.state import NodeState, Phase, SlotState
from coordinator.slots.trade import SettledTransfer, Transfer
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.slot import Telemetry, Usage
from protos.messages.stream import Register
from protos.messages.terms import Stage

_RECORDS: dict[Kind, TypeAdapter[Any]] = {
    Kind.REGISTRATION: TypeAdapter(Register),
    Kind.TELEMETRY: TypeAdapter(Telemetry),
    Kind.USAGE: TypeAdapter(Usage),
}
"""Kinds of entries that are taken up as the message that they hold."""
_PLAN = TypeAdapter(SlotPlan)
_SUMMARY = TypeAdapter(SlotSummary)
_SETTLED = TypeAdapter(list[SettledTransfer])


class Books:
    """State of the run after the entries applied so far."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self.config = config
        self.zones = {zone.zone: zone for zone in config.zones}
        """What is expected of each zone; of a live one the newest forecast."""
        self.intensity_g_per_kwh = {zone.zone: list(zone.intensity_g_per_kwh) for zone in config.zones}
        """By zone and slot; of a live zone as far as it was frozen."""
        self.frozen_slots = 0
        """Slots whose live intensities are frozen."""
        self.epoch = 0
        self.nodes: dict[str, NodeState] = {}
        self.slots: dict[int, SlotState] = {}
        self.waiting: dict[str, Telemetry] = {}
        """Telemetry for the next slot to be decided."""
        self.balances: dict[tuple[str, Unit], int] = {}
        self.delivered = dict.fromkeys(COUNTS, 0)
        """Requests, tokens and bits delivered so far."""
        self.unheard: dict[str, int] = {}
        """By node, the last slot before which its telemetry was refused; the coordinator does not wait for it there."""
        self.turns = AskedTurns(config.turns)
        """Of users' conversations with a language model."""
        self.alarms = self.fallbacks = self.gaps = 0
        self.savepoint: Savepoint | None = None
        """While entries are entered that stand together."""
        self.counts = tuple(name for name, value in vars(self).items() if type(value) is int)
        """Names of those of its attributes that are numbers."""
        self.run_time = RunTime.start(config.slot_s, config.overrun)

    def enter(self, entries: Iterable[Entry]) -> Effects:
        """Apply new entries, all or none; the effects make them durable."""
        taken = tuple(entries)
        with self.together():
            for entry in taken:
                self.apply(entry)
        return Effects(taken)

    def together(self) -> Together | Within:
        """What is applied within stands together: an exception that leaves the block leaves the books as they were.

        A handler that goes on to compute after it has entered something does so within, so that memory is never ahead
        of what the caller will commit."""
        return WITHIN if self.savepoint is not None else Together(self)

    def apply(self, entry: Entry) -> None:
        """Take up one entry. Entries come in the order of the ledger."""
        if self.savepoint is not None:
            self.savepoint.keep(entry)
        for posting in entry.postings:
            key = (posting.account, posting.unit)
            self.balances[key] = self.balances.get(key, 0) + posting.amount
        handler = getattr(self, f"_on_{entry.kind.value}")
        handler(entry, _content(entry))

    # --- questions -----------------------------------------------------------------------------------------

    @property
    def next_slot(self) -> int:
        """The slot to be decided next."""
        return len(self.slots)

    @property
    def open_slot(self) -> SlotState | None:
        """The last decided slot, while it is not ended."""
        last = self.slots.get(self.next_slot - 1)
        return last if last is not None and last.phase is not Phase.ENDED else None

    def battery_uj(self, node_id: str) -> int:
        return self.balances.get((f"node/{node_id}/battery", Unit.MICROJOULES), 0)

    def same_boot(self, slot: SlotState, node: str) -> bool:
        """Whether the start of ``node`` that the slot was decided for is its present one."""
        return slot.boots[node] == self.nodes[node].boot_id

    def zone_in(self, slot: SlotState, node: str) -> tuple[str, float]:
        """Zone of a node, and its intensity in a slot in g/kWh."""
        zone = self.nodes[node].profile.zone
        return zone, self.intensity_g_per_kwh[zone][slot.slot]

    def zones_in(self, slot: SlotState) -> dict[str, tuple[str, float]]:
        """Likewise of every node with a decision."""
        return {node: self.zone_in(slot, node) for node in slot.decisions}

    # --- one handler a kind: of nodes ----------------------------------------------------------------------

    def _on_start(self, entry: Entry, body: dict[str, Any]) -> None:
        self.epoch = body["epoch"]

    def _on_registration(self, entry: Entry, message: Register) -> None:
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

    def _on_telemetry(self, entry: Entry, message: Telemetry) -> None:
        self._acked(message.node_id, message.boot_id, message.seq)
        self.nodes[message.node_id].uncertain = False
        self.waiting[message.node_id] = message

    def _on_clock(self, entry: Entry, body: dict[str, Any]) -> None:
        """For people and tables: a restarted coordinator measures again."""

    def _on_opening(self, entry: Entry, body: dict[str, Any]) -> None:
        self.nodes[entry.node_id].opened = True

    def _on_adjustment(self, entry: Entry, body: dict[str, Any]) -> None:
        self.nodes[entry.node_id].uncertain = False

    def _on_settlement(self, entry: Entry, body: dict[str, Any]) -> None:
        self._acked(body["node_id"], body["boot_id"], body["seq"])

    def _on_alarm(self, entry: Entry, body: dict[str, Any]) -> None:
        self.alarms += 1
        if entry.slot == self.next_slot and entry.node_id in self.nodes:
            self.unheard[entry.node_id] = entry.slot

    def _acked(self, node_id: str, boot_id: str, seq: int) -> None:
        state = self.nodes[node_id]
        if state.boot_id == boot_id:
            state.acked_seq = seq if state.acked_seq is None else max(seq, state.acked_seq)

    # --- and of slots, in their order ----------------------------------------------------------------------

    def _on_signal(self, entry: Entry, body: dict[str, Any]) -> None:
        issues = {told["zone"]: ForecastIssue.model_validate(told["issue"]) for told in body["zones"]}
        expected = {
            zone: self.zones[zone].model_copy(update={"issues": (issue,)}) for zone, issue in issues.items()
        }
        self.frozen_slots += 1
        self.zones.update(expected)
        for told in body["zones"]:
            self.intensity_g_per_kwh[told["zone"]].append(told["g_per_kwh"])

    def _on_decision(self, entry: Entry, body: dict[str, Any]) -> None:
        plan = _PLAN.validate_python(body["plan"])
        decisions = {decision.node_id: decision for decision in plan.decisions}
        market = body.get("market")
        telemetry = {node: self.waiting[node] for node in decisions} if market is None else {}
        self.slots[plan.slot] = SlotState(
            slot=plan.slot,
            stage=Stage(body["stage"]),
            plan=plan,
            decisions=decisions,
            transfers=tuple(Transfer(*row) for row in body["transfers"]),
            selected=None if body["selected"] is None else frozenset(body["selected"]),
            telemetry=telemetry,
            boots={n: told.boot_id for n, told in telemetry.items()} if market is None else body["boots"],
            market=market,
        )
        self.turns.decided(self.slots[plan.slot])
        self.waiting.clear()
        self.fallbacks += int(plan.status.startswith("fallback"))
        for node_id, decision in decisions.items():
            state = self.nodes[node_id]
            if market is None:
                left = left_after(self.config, state, telemetry[node_id], decision)
                if left is not None:
                    state.carried_batches, state.carried_room = left
            state.asleep = not decision.awake
        for node_id, state in self.nodes.items():  # lost in this slot: what waits there is a slot older
            if node_id not in decisions and (left := later_undecided(state)) is not None:
                state.carried_batches, state.carried_room = left

    def _on_usage(self, entry: Entry, usage: Usage) -> None:
        self._acked(usage.node_id, usage.boot_id, usage.seq)
        slot = self.slots[usage.slot]
        wasted = slot.count(usage)
        self.turns.reported(slot, usage)
        slot.move_node(usage.node_id, entry.kind)
        if usage.sleep is not None and usage.slot == self.next_slot - 1:
            self.nodes[usage.node_id].asleep = usage.sleep.asleep
        if slot.stage in TRAINING_STAGES and sum(e.batches for e in usage.executed) > wasted:
            self.nodes[usage.node_id].participations += 1

    def _on_trade(self, entry: Entry, body: dict[str, Any]) -> None:
        slot = self._slot_of(entry)
        slot.move(entry.kind)
        slot.traded(_SETTLED.validate_python(body["transfers"]))

    def _on_booking(self, entry: Entry, body: dict[str, Any]) -> None:
        slot, node = self._slot_of(entry), self.nodes[entry.node_id]
        slot.move_node(entry.node_id, entry.kind)
        if body["estimated"]:
            node.uncertain = True
        else:
            slot.settled.add(entry.node_id)
        if body["late"]:  # the network's line of a parcel is booked with whichever end reports first
            late = parcels_of([slot.usage[entry.node_id]])
            slot.parcel_pairs |= {(parcel.owner, parcel.executor) for parcel in late}
        balance = body["balance"]
        node.harvested_uj += balance["harvest_uj"]
        node.given_uj += balance["export_uj"]
        slot.add_lines(body["lines"])
        slot.add(**{name: balance[name] for name in ("demand_uj", "grid_uj", "green_uj")})
        for name in COUNTS:
            self.delivered[name] += body[name]

    def _on_gap(self, entry: Entry, body: dict[str, Any]) -> None:
        self._slot_of(entry).move_node(entry.node_id, entry.kind)
        self.gaps += 1
        if entry.node_id in self.nodes:
            self.nodes[entry.node_id].uncertain = True

    def _on_slot_end(self, entry: Entry, body: dict[str, Any]) -> None:
        slot = self._slot_of(entry)
        slot.move(entry.kind)
        slot.add_lines(body["lines"])
        slot.parcel_pairs = {(parcel["owner"], parcel["executor"]) for parcel in body["parcels"]}
        slot.summary = _SUMMARY.validate_python(body["summary"])
        self.turns.ended(self.slots)
        if "wall" in body:
            wall = body["wall"]
            self.run_time = self.run_time.after(wall["duration_s"], wall["overrun_s"])

    def _slot_of(self, entry: Entry) -> SlotState:
        assert entry.slot is not None
        return self.slots[entry.slot]


def _content(entry: Entry) -> Any:
    """What an entry says: the message of a node, or a document. From the file it is read as it was taken up live."""
    records = _RECORDS.get(entry.kind)
    if records is None:
        return json.loads(entry.text)
    return records.validate_python(json.loads(entry.text)) if entry.record is None else entry.record
