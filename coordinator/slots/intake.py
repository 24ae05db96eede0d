"""What a node's record must be like to enter the books: telemetry, usage, settlement. Pure.

Each method returns (entries to apply, messages to answer with) or raises Refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coordinator.ledger.entry import Entry
from coordinator.slots.bookkeeping import adjustment, alarm, balance_of, opening
from coordinator.slots.books import Books, SlotState
from coordinator.slots.closing import Closing
from coordinator.slots.protocol import Refused
from coordinator.slots.settle import balance_findings
from protos.messages import Component, DownMessage, EnergyGrant, Moved, Settlement, Telemetry, Usage

Answer = tuple[list[Entry], list[DownMessage]]

SHARED_COMPONENTS = (Component.NETWORK, Component.COORDINATOR, Component.ROUTER)
"""Lines that the coordinator books itself."""


class Intake:
    """Checks records of nodes. ``digest_of``: content digest under a ledger key, None when the key is new."""

    def __init__(self, books: Books, closing: Closing, digest_of: Callable[[str], str | None]) -> None:
        self._books = books
        self._config = books.config
        self._closing = closing
        self._digest_of = digest_of

    def is_new(self, entry: Entry) -> bool:
        """Whether the key is new. Raises Refused, with an alarm, when it came before with other content."""
        known = self._digest_of(entry.key)
        if known is None:
            return True
        if known == entry.digest:
            return False
        raise self._alarmed(
            "key_conflict",
            f"{entry.key} came before with other content; the first stands; send the next seq instead",
            entry.slot,
            entry.node_id,
            {"key": entry.key, "stored_digest": known, "offered_digest": entry.digest, "offered": entry.text},
        )

    def telemetry(self, message: Telemetry, entry: Entry) -> Answer:
        """State of a node before the next slot to be decided."""
        node, profile = message.node_id, self._books.nodes[message.node_id].profile
        next_slot = self._books.next_slot
        if message.slot != next_slot:
            code = "stale_slot" if message.slot < next_slot else "future_slot"
            raise Refused(code, f"telemetry of slot {message.slot}; the next to be decided is {next_slot}")
        if next_slot >= len(self._config.stages):
            return [], []  # the run is over: nothing will be decided from it
        horizon, classes = self._config.look_ahead_slots, self._config.limits.deadline_slots + 1
        wrong = [
            f"{name} has {len(values)} values, needed are {needed}"
            for name, values, needed, exact in (
                ("harvest_forecast_uj", message.harvest_forecast_uj, horizon, False),
                ("release_forecast_batches", message.release_forecast_batches, horizon - 1, False),
                ("backlog_batches", message.backlog_batches, classes, True),
            )
            if (len(values) != needed if exact else len(values) < needed)
        ]
        if message.battery_uj > profile.battery_capacity_uj:
            wrong.append(
                f"battery holds {message.battery_uj} uJ, its capacity is {profile.battery_capacity_uj} uJ"
            )
        if wrong:
            raise self._alarmed("bad_telemetry", "; ".join(wrong), message.slot, node)
        return [*self._reconcile(node, message.slot, message.battery_uj, entry.key), entry], []

    def usage(self, message: Usage, entry: Entry) -> Answer:
        """A metered reading. In time it waits for its settlement; after the slot's end it is booked."""
        slot, node = self._slot_of(message), message.node_id
        if node in slot.usage:
            raise Refused("repeated", f"usage of {node} for slot {slot.slot} is in the books already")
        owners = {node, *(guest.owner for guest in slot.decisions[node].guests)}
        wrong = [
            f"{line.component} is no line of a node"
            for line in message.lines
            if line.component in SHARED_COMPONENTS
        ]
        managed = slot.decisions[node].self_managed
        if (message.own_work is not None) != managed:
            wrong.append(
                f"own_work is {message.own_work}; it belongs to self-managed decisions, this is {managed}"
            )
        classes = self._config.limits.deadline_slots + 1
        if message.own_work is not None and len(message.own_work.backlog_batches) != classes:
            wrong.append(
                f"own_work has {len(message.own_work.backlog_batches)} classes, needed are {classes}"
            )
        if len({e.owner for e in message.executed}) != len(message.executed):
            wrong.append("an owner is named twice in executed")
        wrong += [f"ran batches of {e.owner}, not decided" for e in message.executed if e.owner not in owners]
        wrong += [
            f"moved batches with {m.peer}, not decided" for m in message.moved if not _decided(slot, node, m)
        ]
        wrong += [
            f"users of {t.owner} got answers, not decided" for t in message.users if t.owner not in owners
        ]
        wrong += [
            f"users of {t.owner} sent {t.up_bytes} bytes here; users send to their own node"
            for t in message.users
            if t.owner != node and t.up_bytes
        ]
        if len({(t.owner, t.stage, t.outside) for t in message.users}) != len(message.users):
            wrong.append("an owner's users are named twice in one stage")
        if wrong:
            raise self._alarmed("bad_usage", "; ".join(wrong), slot.slot, node)
        if slot.summary is not None:
            return [entry, self._closing.late(slot, message)], [
                EnergyGrant(node, slot.epoch, slot.slot, 0, 0)
            ]
        return [entry], [] if slot.trade is None else [grant(slot, node)]

    def settlement(self, message: Settlement, entry: Entry) -> Answer:
        """How a node met its load: (D1)-(D3) exact, as agreed, and continuous with the books."""
        slot, node = self._slot_of(message), message.node_id
        usage = slot.usage.get(node)
        if usage is None:
            raise Refused("no_usage", f"settlement of {node} for slot {slot.slot} came before its usage")
        if node in slot.settled:
            raise Refused("repeated", f"settlement of {node} for slot {slot.slot} is in the books already")
        if node in slot.booked:
            # Closed by an estimate: that stands; the battery's difference is adjusted, visibly, the next
            # time.
            return [entry], []
        if slot.trade is None:
            raise Refused("not_traded", f"slot {slot.slot} is not traded yet; wait for the grant")
        profile, balance = self._books.nodes[node].profile, balance_of(message)
        wrong = balance_findings(balance, profile, self._config.slot_s)
        export, imported = slot.grants(node)
        agreed = (
            ("demand", balance.demand_uj, sum(line.energy_uj for line in usage.lines)),
            ("harvest", balance.harvest_uj, usage.harvest_uj),
            ("export", balance.export_uj, export),
            ("import", balance.import_uj, imported),
        )
        wrong += [
            f"{name} is {got} uJ, agreed were {right} uJ" for name, got, right in agreed if got != right
        ]
        if wrong:
            raise self._alarmed("bad_settlement", "; ".join(wrong), slot.slot, node)
        adjusted = self._reconcile(node, slot.slot, balance.battery_before_uj, entry.key)
        return [*adjusted, entry, self._closing.settled(slot, usage, balance)], []

    def _slot_of(self, message: Usage | Settlement) -> SlotState:
        slot = self._books.slots.get(message.slot)
        if slot is None or message.node_id not in slot.decisions:
            raise Refused("no_decision", f"{message.node_id} has no decision for slot {message.slot}")
        if message.epoch != slot.epoch:
            raise Refused(
                "stale_epoch", f"slot {message.slot} was decided in epoch {slot.epoch}, not {message.epoch}"
            )
        return slot

    def _reconcile(self, node: str, slot: int, battery_uj: int, cause: str) -> list[Entry]:
        """The battery a node reports against the books: equal, or just opened, or explained by a gap."""
        state, booked = self._books.nodes[node], self._books.battery_uj(node)
        if not state.opened:
            return [opening(node, slot, battery_uj)]
        if battery_uj == booked:
            return []
        if state.uncertain:
            return [adjustment(node, slot, cause, booked, battery_uj)]
        raise self._alarmed(
            "battery_discontinuous",
            f"{battery_uj} uJ in the battery before slot {slot}; the books hold {booked} uJ, with no gap",
            slot,
            node,
        )

    def _alarmed(
        self, code: str, reason: str, slot: int | None, node: str, details: dict[str, Any] | None = None
    ) -> Refused:
        """A refusal that people should look into: with an alarm in the ledger, once."""
        record = alarm(code, node, slot, node, {"reason": reason, **(details or {})})
        if self._digest_of(record.key) is not None:
            return Refused(code, reason)
        self._books.apply(record)
        return Refused(code, reason, (record,))


def grant(slot: SlotState, node: str) -> EnergyGrant:
    """What the trade came to for one node."""
    export, imported = slot.grants(node)
    return EnergyGrant(node, slot.epoch, slot.slot, export, imported)


def _decided(slot: SlotState, node: str, moved: Moved) -> bool:
    decision = slot.decisions[node]
    peers = {s.executor for s in decision.sends} if moved.sent else {g.owner for g in decision.guests}
    return moved.peer in peers
