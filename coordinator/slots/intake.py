"""Intake of nodes' records into the books: telemetry, usage, settlement. Pure.

``take`` gives (entries, answers) or raises Refused. An acknowledgement comes after the answers. A refused record is
acknowledged too, so that the node does not send it again. Only a settlement before the trade is not acknowledged: it is
asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coordinator.ledger.entry import Entry, Kind
from coordinator.slots import booking
from coordinator.slots.balances import balance_of
from coordinator.slots.books import Books
from coordinator.slots.documents import message_document
from coordinator.slots.plausibility import drift_bounds, reading_findings, telemetry_bounds
from coordinator.slots.postings import adjustment, alarm, drift, gap, message_key, opening
from coordinator.slots.protocol import Effects, Refused
from coordinator.slots.record_checks import settlement_findings, telemetry_findings, usage_findings
from coordinator.slots.state import Phase, SlotState, Standing
from coordinator.slots.welcome import welcome
from coordinator.slots.window_bounds import WindowBounds
from protos.messages.slot import EnergyGrant, Settlement, Telemetry, Usage
from protos.messages.stream import Ack, DownMessage, Heartbeat

Answer = tuple[list[Entry], list[DownMessage]]
"""Entries to apply, messages to answer with."""

RECORDS = {Telemetry: Kind.TELEMETRY, Usage: Kind.USAGE, Settlement: Kind.SETTLEMENT}
"""Messages of nodes that enter the ledger, under (node, boot_id, seq)."""


class Intake:
    """Checks records of nodes. ``digest_of``: content digest under a ledger key, None when the key is new."""

    def __init__(
        self,
        books: Books,
        digest_of: Callable[[str], str | None],
        negotiates: bool,
        windows: WindowBounds,
    ) -> None:
        self._books, self._windows = books, windows
        self._config = books.config
        self._bounds = {each.node_id: each for each in books.config.bounds}
        self._digest_of = digest_of
        self._negotiates = negotiates

    def take(self, message: Heartbeat | Telemetry | Usage | Settlement) -> Effects:
        """A message of a registered node, from its present stream. Raises Refused."""
        node, current = message.node_id, self._books.nodes[message.node_id]
        if message.boot_id != current.boot_id:
            raise Refused("stale_boot", f"start {message.boot_id} of {node}, registered is {current.boot_id}")
        if isinstance(message, Heartbeat):
            # Numbers begin at 1: an acknowledgement of 0 only confirms the connection.
            return Effects((), ((node, self._ack(node, 0)),))
        key = message_key(node, message.boot_id, message.seq)
        document = message_document(message)
        entry = Entry(RECORDS[type(message)], key, document, slot=message.slot, node_id=node, record=message)
        try:
            wanted = self._follows(message) or self.is_new(entry)
            entries, answers = self._checked(message, entry) if wanted else ([], [])
            with self._books.together():
                applied = self._books.enter(entries)
                # The answers go first: of a record that is acknowledged, the node knows all that follows from it.
                sends = tuple((node, m) for m in (*answers, self._ack(node, message.seq)))
            return Effects(applied.entries, sends)
        except Refused as refused:
            if refused.refusal.code != "not_traded":
                refused.follow = (self._ack(node, message.seq), *refused.follow)
            raise

    def _ack(self, node: str, seq: int) -> Ack:
        acked = self._books.nodes[node].acked_seq
        return Ack(node, seq if acked is None else max(seq, acked))

    def _checked(self, message: Telemetry | Usage | Settlement, entry: Entry) -> Answer:
        if isinstance(message, Usage):
            return self._usage(message, entry)
        if isinstance(message, Settlement):
            return self._settlement(message, entry)
        return self._telemetry(message, entry)

    def _follows(self, message: Telemetry | Usage | Settlement) -> bool:
        """Whether it has a higher number than all records of its node in the ledger, which need not be asked then."""
        acked = self._books.nodes[message.node_id].acked_seq
        return acked is None or message.seq > acked

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

    def _telemetry(self, message: Telemetry, entry: Entry) -> Answer:
        """State of a node before the next slot to be decided."""
        node, next_slot = message.node_id, self._books.next_slot
        if message.slot != next_slot:
            why = f"telemetry of slot {message.slot}; the next to be decided is {next_slot}"
            if message.slot > next_slot:
                raise Refused("future_slot", why)
            raise Refused("stale_slot", why, follow=self._where_it_stands(node))
        if next_slot >= len(self._config.stages):
            return [], []  # the run is over: nothing will be decided from it
        profile = self._books.nodes[node].profile
        if wrong := telemetry_findings(self._config, profile, message):
            raise self._alarmed("bad_telemetry", "; ".join(wrong), message.slot, node)
        if absurd := telemetry_bounds(self._config, self._bounds.get(node), message):
            raise self._alarmed("implausible", f"{node}: {'; '.join(absurd)}", message.slot, node)
        if message.battery_was_read and (told := self._drifted(message, entry.key)) is not None:
            return [told, entry], []
        return [*self._reconcile(node, message.slot, message.battery_uj, entry.key), entry], []

    def _where_it_stands(self, node: str) -> tuple[DownMessage, ...]:
        """To a node that is behind. One that has its part in the open slot has its decision, and is in that slot."""
        slot = self._books.open_slot
        if slot is not None and node in slot.decisions and self._books.same_boot(slot, node):
            return ()
        return (welcome(self._books, node, self._negotiates),)

    def _drifted(self, message: Telemetry, cause: str) -> Entry | None:
        """What a battery's gauge shows against the books; None where they agree, and after a gap, which explains it."""
        node, slot, state = message.node_id, message.slot, self._books.nodes[message.node_id]
        if node not in self._config.measured_batteries:
            raise self._alarmed(
                "bad_telemetry", f"{node} says that it read its battery, and has no gauge", slot, node
            )
        booked, read = self._books.battery_uj(node), message.battery_uj
        if not state.opened or state.uncertain or read == booked:
            return None
        if absurd := drift_bounds(self._config, state.profile, read - booked):
            raise self._alarmed("implausible", f"{node}: {'; '.join(absurd)}", slot, node)
        return drift(node, slot, cause, booked, read)

    def _usage(self, message: Usage, entry: Entry) -> Answer:
        """A metered reading. In time it waits for its settlement; after the slot's end it is booked."""
        slot, node = self._slot_of(message), message.node_id
        if not slot.is_working(node):
            raise Refused("repeated", f"usage of {node} for slot {slot.slot} is in the books already")
        if slot.phase is not Phase.ENDED and not slot.owes_reading(node):
            raise Refused("implausible", f"slot {slot.slot} is a gap of {node}: its reading was refused")
        absurd = self._windows.judge(message)
        if absurd := absurd or reading_findings(self._config, self._bounds.get(node), message):
            raise self._implausible(slot, node, f"{node}: {'; '.join(absurd)}")
        if wrong := usage_findings(self._config, slot, message):
            raise self._alarmed("bad_usage", "; ".join(wrong), slot.slot, node)
        if slot.phase is Phase.ENDED:
            late = booking.late(self._books, slot, message)
            return [entry, late], [EnergyGrant(node, slot.epoch, slot.slot, 0, 0)]
        return [entry], [] if slot.phase is Phase.RUNNING else [slot.grant(node)]

    def _settlement(self, message: Settlement, entry: Entry) -> Answer:
        """How a node met its load: (D1)-(D3) exact, as agreed, and continuous with the books."""
        slot, node = self._slot_of(message), message.node_id
        if slot.is_working(node):
            raise Refused("no_usage", f"settlement of {node} for slot {slot.slot} came before its usage")
        if node in slot.settled:
            raise Refused("repeated", f"settlement of {node} for slot {slot.slot} is in the books already")
        if slot.standing[node] is Standing.BOOKED:
            # Booked by an estimate: that stands; the battery's difference is adjusted, visibly, the next time.
            return [entry], []
        if slot.phase is Phase.RUNNING:
            raise Refused("not_traded", f"slot {slot.slot} is not traded yet; wait for the grant")
        profile = self._books.nodes[node].profile
        if wrong := settlement_findings(slot, message, profile, self._config.slot_s):
            raise self._alarmed("bad_settlement", "; ".join(wrong), slot.slot, node)
        adjusted = self._reconcile(node, slot.slot, message.battery_before_uj, entry.key)
        booked = booking.settled(self._books, slot, slot.usage[node], balance_of(message))
        return [*adjusted, entry, booked], []

    def _implausible(self, slot: SlotState, node: str, reason: str) -> Refused:
        """A reading that cannot be true: the node is named, its slot is a gap at once, and the others go on."""
        refused = self._alarmed("implausible", reason, slot.slot, node)
        if slot.owes_reading(node) and slot.phase is not Phase.ENDED:
            missing = self._books.enter([gap(node, slot.slot, "implausible reading, refused")])
            refused.alarms = (*refused.alarms, *missing.entries)
        return refused

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
