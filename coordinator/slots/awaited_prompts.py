"""Nodes that wait for prompts which others read for them: who is told that nothing comes any more."""

from __future__ import annotations

from coordinator.slots.books import Books
from coordinator.slots.sessions import Sessions
from coordinator.slots.state import Phase, SlotState
from protos.messages.stream import Gone, Heartbeat


class AwaitedPrompts:
    """Reading prompts may take minutes, and a node waits for another as long as that one is at it. What is known of it
    comes with heartbeats. Nothing here is durable: the next heartbeats say it again.

    Args:
        books: The open slot, and who sends batches to whom in it.
        sessions: Who holds a lease.
    """

    def __init__(self, books: Books, sessions: Sessions) -> None:
        self._books, self._sessions = books, sessions
        self._handed: dict[str, tuple[str, int | None]] = {}
        """(start, slot whose prompts have left), by node."""
        self._refused: dict[str, tuple[str, int]] = {}
        """(start, slot in which it refused a message), by node."""

    def refused(self, node: str) -> None:
        """A node's present start refuses what it was told. Once a slot has begun that is the slot's decision, so that
        it reads no prompts in it."""
        self._refused[node] = (self._books.nodes[node].boot_id, self._books.next_slot - 1)

    def hear(self, beat: Heartbeat) -> tuple[tuple[str, Gone], ...]:
        """A heartbeat of a node's present start. To that node: which of the owners that it waits for hold no lease,
        were started again since the slot was decided, refused its decision, or have sent all that they send."""
        self._handed[beat.node_id] = (beat.boot_id, beat.handed_slot)
        slot = self._books.slots.get(self._books.next_slot - 1)
        if not beat.awaits or slot is None or slot.phase is not Phase.RUNNING:
            return ()
        decision = slot.decisions.get(beat.node_id)
        if decision is None:
            return ()
        owners = [each.owner for each in decision.guests if each.handed and each.owner in beat.awaits]
        living = self._sessions.living(owners)
        gone = tuple(each for each in owners if each not in living or self._sends_no_more(slot, each))
        return ((beat.node_id, Gone(slot.slot, gone)),) if gone else ()

    def _sends_no_more(self, slot: SlotState, owner: str) -> bool:
        # A new start is not told of a slot that was decided for the one before it.
        decided = (slot.boots[owner], slot.slot)
        over = self._handed.get(owner) == decided or self._refused.get(owner) == decided
        return over or not self._books.same_boot(slot, owner)
