"""Registration of a node, new or returning: the Welcome, and the messages of the open slot."""

from __future__ import annotations

from carbon_data.types import DataError
from coordinator.ledger.entry import Entry, Kind
from coordinator.slots.books import Books
from coordinator.slots.closing import Closing
from coordinator.slots.columns import work_of
from coordinator.slots.documents import registration_document
from coordinator.slots.intake import Intake
from coordinator.slots.negotiating import MarketHost
from coordinator.slots.plausibility import profile_findings
from coordinator.slots.protocol import Effects, Refused
from coordinator.slots.sessions import Sessions
from coordinator.slots.welcome import welcome
from protos.messages.slot import CloseSlot
from protos.messages.stream import Ack, DownMessage, Register


class Joining:
    """Registers nodes and sends them the Welcome."""

    def __init__(
        self,
        books: Books,
        sessions: Sessions,
        intake: Intake,
        closing: Closing,
        market: MarketHost,
        negotiates: bool,
    ) -> None:
        self._books, self._sessions, self._intake = books, sessions, intake
        self._closing, self._market, self._negotiates = closing, market, negotiates

    def register(self, message: Register) -> tuple[int, Effects]:
        """A node came (or came back): (session number, effects). Fences the node's older stream.

        Raises Refused for a node that does not belong to the run, or a start of it that was superseded.
        """
        node, node_ids = message.node_id, self._books.config.node_ids
        if node not in node_ids:
            raise Refused("unknown_node", f"{node} is not of this run; its nodes are {node_ids[:20]}")
        key = f"registration/{node}/{message.boot_id}"
        entry = Entry(Kind.REGISTRATION, key, registration_document(message), node_id=node)
        known = self._books.nodes.get(node)
        if known is not None and message.boot_id in known.boots and message.boot_id != known.boot_id:
            raise Refused(
                "stale_boot", f"start {message.boot_id} of {node} was superseded by {known.boot_id}"
            )
        new = self._intake.is_new(entry)
        if new:
            self._check_profile(message)
            if known is not None:
                self._market.leave(node)
        with self._books.together():
            effects = self._books.enter([entry] if new else [])
            greeting = tuple((node, message) for message in self._greeting(node))
        return self._sessions.open(node), Effects(effects.entries, greeting)

    def _check_profile(self, message: Register) -> None:
        zone, known = message.profile.zone, self._books.intensity_g_per_kwh
        if zone not in known:
            raise Refused("unknown_zone", f"{message.node_id} is in {zone}; this run has {sorted(known)}")
        try:
            for stage in dict.fromkeys(self._books.config.stages):
                work_of(message.profile, stage)
        except DataError as error:
            raise Refused("bad_profile", f"{message.node_id}: {error}") from error
        config = self._books.config
        bounds = next((each for each in config.bounds if each.node_id == message.node_id), None)
        if wrong := profile_findings(config, bounds, message.profile):
            raise Refused("bad_profile", f"{message.node_id}: {'; '.join(wrong)}")

    def _greeting(self, node: str) -> list[DownMessage]:
        """Welcome, then all that the node may have missed of the open slot."""
        messages: list[DownMessage] = [welcome(self._books, node, self._negotiates)]
        messages += self._of_open_slot(node)
        state = self._books.nodes[node]
        if state.acked_seq is not None:  # last: the node then knows that of its slot no more comes
            messages.append(Ack(node, state.acked_seq))
        if (question := self._market.question_for(node)) is not None:
            messages.append(question)
        return messages

    def _of_open_slot(self, node: str) -> list[DownMessage]:
        """A new start of a node knows nothing of the old one's slot, and must not run its work twice: it gets none."""
        slot = self._books.open_slot
        if slot is None or node not in slot.decisions or not self._books.same_boot(slot, node):
            return []
        if slot.owes_reading(node):
            told = [CloseSlot(slot.epoch, slot.slot)] if self._closing.is_told(slot) else []
            return [slot.decisions[node], *told]
        if slot.awaits_trade(node):
            # Its reading is here; asked again, it knows that its grant is still to come.
            return [CloseSlot(slot.epoch, slot.slot)]
        return [slot.grant(node)] if slot.awaits_settlement(node) else []
