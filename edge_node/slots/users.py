"""Bytes between users' devices and the node, entered in the slot and in the meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from carbon_data.units import BITS_PER_BYTE
from edge_node.slots.backlog import Batch
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from edge_node.workload import Arrays, InferResult, Result, UserBytes


def count_requests(node: NodeState, slot: SlotState, batches: Sequence[Batch]) -> None:
    """Batches have left for an executor: their users had sent the requests to their own node, which passed them on."""
    workload = node.workloads[slot.stage]
    for batch in batches:
        exchanged = workload.user_bytes(workload.batch(batch.batch_id, slot.stage.value), slot.stage)
        slot.exchange(node.node_id, slot.stage, exchanged.up_bytes, 0)
        node.savepoint.later(node.meter.moved, slot.stage, 0, exchanged.up_bytes)


def count_answers(
    node: NodeState, slot: SlotState, result: Result, owners: Mapping[str, int], batches: Sequence[Arrays]
) -> tuple[int, int]:
    """Batches are answered here: own users sent requests (or data), and users of every owner get answers. Returns the
    bytes (sent, received) over this node's radio.

    Raises ValueError when the task counts other bits as delivered than travelled.
    """
    workload = node.workloads[slot.stage]
    names = [owner for owner, count in owners.items() for _ in range(count)]
    framed: Sequence[UserBytes] = result.users if isinstance(result, InferResult) else ()
    exchanged = framed or [workload.user_bytes(batch, slot.stage) for batch in batches]
    travelled = BITS_PER_BYTE * sum(each.up_bytes + each.down_bytes for each in exchanged)
    if isinstance(result, InferResult):
        bits = result.payload_bits
        if bits > travelled or (bits != travelled and not framed):
            raise ValueError(
                f"the task counts {bits} bits of requests and answers, {travelled} travelled; "
                "Served.payload_bits must be those of request_bytes() for every request"
            )
    sent = received = 0
    for owner, each in zip(names, exchanged, strict=True):
        up_bytes = each.up_bytes if owner == node.node_id else 0
        slot.exchange(owner, slot.stage, up_bytes, each.down_bytes)
        sent, received = sent + each.down_bytes, received + up_bytes
    return sent, received
