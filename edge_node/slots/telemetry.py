"""Messages of a node for a slot that waits for its decision: telemetry, or answers to a market."""

from __future__ import annotations

from edge_node.slots.errors import InvalidDecision
from edge_node.slots.market import MarketSide
from edge_node.slots.phases import Phase
from edge_node.slots.state import NodeState
from protos.messages.market import MarketCall, MarketNews
from protos.messages.slot import Telemetry
from protos.messages.stream import UpMessage


class BeforeDecision:
    """One node's telemetry, and its answers under a policy without complete information."""

    def __init__(self, node: NodeState, market: MarketSide) -> None:
        self._node, self._market = node, market

    def expected(self) -> bool:
        """Whether the coordinator waits for word of the slot: not at the run's end, nor while it is in doubt."""
        slot = self._node.current
        return slot is not None and slot.phase is Phase.OPEN and not self._node.in_doubt

    def messages(self) -> list[UpMessage]:
        """Messages of the current slot before its decision."""
        node = self._node
        if not self.expected():
            return []
        if not node.negotiates:
            return [self.telemetry()]
        return [*self._market.answer(node.require_current())]

    def telemetry(self) -> Telemetry:
        """State before the current slot; the same message until it changes. Raises NotReady where no slot is open."""
        node = self._node
        slot = node.require_current()
        if slot.telemetry is None:
            for message in node.outbox.pending():
                if isinstance(message, Telemetry):
                    node.outbox.remove(message.seq)
            horizon = node.config.horizon_slots
            was_read = node.read_battery()
            slot.telemetry = Telemetry(
                node_id=node.node_id,
                boot_id=node.boot_id,
                seq=node.outbox.next_seq(),
                slot=slot.slot,
                battery_uj=node.battery_uj,
                harvest_forecast_uj=node.harvest.forecast_uj(slot.slot, horizon),
                backlog_batches=node.backlog.counts(slot.slot),
                release_forecast_batches=node.backlog.forecast(slot.slot, horizon),
                mean_loss=node.mean_loss,
                battery_was_read=was_read,
                work=() if node.learned is None else node.learned.work(slot.stage),
            )
            node.outbox.put(slot.telemetry.seq, slot.telemetry)
        return slot.telemetry

    def hear(self, question: MarketCall | MarketNews) -> list[UpMessage]:
        """A market asks. Answered now, or once the node is in that slot; a repeat gets the same answer.

        Raises InvalidDecision for another node's question.
        """
        node = self._node
        if question.node_id != node.node_id:
            raise InvalidDecision(f"market's question to {question.node_id} reached {node.node_id}")
        self._market.hear(question)
        slot = node.current
        if slot is not None and question.slot > slot.slot:
            node.coordinator_at(question.slot)
            if slot.decision is None:
                node.skip_to_coordinator()  # decided without this node
        return self.messages()
