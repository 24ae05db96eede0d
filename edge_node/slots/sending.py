"""Own batches on their way to executors: what becomes of each parcel."""

from __future__ import annotations

from edge_node.slots.market import MarketSide
from edge_node.slots.slot import Delivery, Outgoing, SlotState
from edge_node.slots.state import NodeState
from edge_node.slots.users import count_requests
from protos.messages.parcels import Parcel, payload_bytes


class Sending:
    """Outcomes of one node's parcels."""

    def __init__(self, node: NodeState, market: MarketSide) -> None:
        self._node, self._market = node, market

    def delivered(self, parcel: Parcel) -> None:
        """The executor has it: its batches are the executor's to run."""
        if (found := self._pending(parcel)) is None:
            return
        node, (slot, outgoing) = self._node, found
        outgoing.delivery = Delivery.DELIVERED
        self._market.left(outgoing.batches)
        size = payload_bytes(parcel)
        batches, total = slot.sent.get(parcel.executor, (0, 0))
        slot.sent[parcel.executor] = (batches + len(parcel.batch_ids), total + size)
        node.savepoint.later(node.meter.moved, slot.stage, size)
        count_requests(node, slot, outgoing.batches)

    def failed(self, parcel: Parcel) -> None:
        """The executor does not have it: the owner runs its batches itself."""
        if (found := self._pending(parcel)) is not None:
            slot, outgoing = found
            outgoing.delivery = Delivery.FAILED
            slot.own.extend(outgoing.batches)

    def _pending(self, parcel: Parcel) -> tuple[SlotState, Outgoing] | None:
        # An outcome that comes after the slot was closed, or for a replaced plan, changes nothing any more.
        slot = self._node.current
        if slot is None or slot.slot != parcel.slot or slot.usage is not None:
            return None
        outgoing = slot.outgoing.get(parcel.executor)
        if outgoing is None or outgoing.parcel is not parcel or outgoing.delivery is not Delivery.PENDING:
            return None
        return slot, outgoing
