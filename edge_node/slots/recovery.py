"""Recovery after a broken stream: messages sent again, and the outcome of a slot that went on without the node."""

from __future__ import annotations

from collections.abc import Sequence

from edge_node.slots.reading import Reading
from edge_node.slots.state import NodeState
from edge_node.slots.telemetry import BeforeDecision
from protos.messages.slot import CloseSlot, Telemetry, Usage
from protos.messages.stream import Ack, UpMessage


class Recovery:
    """Brings one node and its coordinator to the same slot."""

    def __init__(self, node: NodeState, before: BeforeDecision, reading: Reading) -> None:
        self._node, self._before, self._reading = node, before, reading
        self._acknowledged_seq = -1

    def unacknowledged(self) -> list[UpMessage]:
        """Readings to send again on a new stream, in order. Telemetry is not among them: ``tick`` makes a new one."""
        return [message for message in self._node.outbox.pending() if not isinstance(message, Telemetry)]

    def acknowledged(self, ack: Ack) -> None:
        """Everything up to ``ack.seq`` is committed, and what the coordinator says about it has come."""
        self._node.outbox.acknowledge(ack.seq)
        self._node.heard_all = True
        self._acknowledged_seq = max(self._acknowledged_seq, ack.seq)

    def knows(self, ack: Ack) -> bool:
        """Whether ``acknowledged`` would change nothing. May be asked without the node's lock."""
        return self._node.heard_all and ack.seq <= self._acknowledged_seq

    def has_nothing_to_say(self) -> bool:
        """Whether ``tick`` would do nothing. May be asked without the node's lock."""
        return not self._node.in_doubt and not self._before.expected()

    def tick(self) -> list[UpMessage]:
        """Once per heartbeat: settle doubts after a reconnection, and say again what was not acknowledged.

        Raises MeterError where a slot that ended without this node has no reading.
        """
        node, pending = self._node, self._node.outbox.pending()
        if node.in_doubt and node.heard_all and (late := self._settle_doubt(pending)) is not None:
            return [late]
        if not self._before.expected() or any(not isinstance(each, Telemetry) for each in pending):
            return []  # readings first: the coordinator's battery is behind this node's until they are booked
        if node.negotiates:
            return self._before.messages()
        told = node.require_current().telemetry
        return [self._before.telemetry()] if told is None or told in pending else []

    def _settle_doubt(self, pending: Sequence[UpMessage]) -> Usage | None:
        """The coordinator is ahead, and had nothing to say about this slot since: it has ended the slot."""
        node, slot = self._node, self._node.current
        if slot is None:
            return None
        if slot.decision is None:
            node.skip_to_coordinator()  # decided without this node: nothing of it to report
        elif slot.usage is None:
            return self._reading.close(CloseSlot(slot.decision.epoch, slot.slot))  # late, and still booked
        elif slot.usage not in pending:
            node.leave(slot)  # the reading is in the books, closed by the coordinator's own estimate
        return None
