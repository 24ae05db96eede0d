"""Batches of other nodes: what is accepted, how much of it, and until when."""

from __future__ import annotations

from functools import partial

from edge_node.serving.requests import RequestWorkload
from edge_node.slots.parcels import unpack, with_prompts
from edge_node.slots.slot import Incoming, SlotState
from edge_node.slots.state import NodeState
from edge_node.workload import Arrays
from protos.messages.parcels import Parcel, ParcelHead, Receipt, head_of, payload_bytes
from protos.messages.terms import Stage


class OffloadedBatches:
    """Batches that others offload to this node, taken in within its storage (S_j of (D7))."""

    def __init__(self, node: NodeState) -> None:
        self._node = node
        self._storage_bytes = node.config.board.storage_bytes
        self._early: dict[str, Parcel] = {}
        """Parcels for the next slot, by owner."""
        self._templates: dict[tuple[Stage, int], Arrays] = {}
        node.on_open.append(self._take_early)
        node.savepoint.keep(self, "_early")

    def refuse(self, head: ParcelHead) -> Receipt | None:
        """Why a parcel with this head is not wanted; None: it may be, and is judged as a whole."""
        node, slot = self._node, self._node.current
        if head.run_id != node.config.run_id or head.executor != node.node_id:
            return Receipt(False, 0, f"this is {node.node_id} of run {node.config.run_id}")
        if slot is None or head.slot not in (slot.slot, slot.slot + 1):
            return Receipt(False, 0, f"the node is in slot {node.slot}")
        if head.payload_bytes > self._storage_bytes:
            return self._full()
        if head.slot == slot.slot and head.owner not in slot.incoming:
            return self._not_expected(slot, head.owner)
        return None

    def _not_expected(self, slot: SlotState, owner: str) -> Receipt | None:
        """Whether nothing more of ``owner`` counts in the slot."""
        if slot.fixed or owner in slot.given_up:
            return Receipt(False, 0, f"too late for slot {slot.slot}: its work has begun")
        if slot.decision is not None and not slot.expected_batches().get(owner, 0):
            return Receipt(False, 0, f"0 batches of {owner} are expected in slot {slot.slot}")
        return None

    def accept(self, parcel: Parcel) -> Receipt:
        """Take a parcel in, or say why not. A repeat of the same parcel is accepted and counted once."""
        slot = self._node.current
        if (refused := self.refuse(head_of(parcel))) is not None:
            return refused
        assert slot is not None  # else it would have been refused
        return self._keep_early(parcel) if parcel.slot == slot.slot + 1 else self._take_in(slot, parcel)

    def _keep_early(self, parcel: Parcel) -> Receipt:
        """Hold a parcel for the next slot: its owner got the decision before this node did."""
        kept = sum(payload_bytes(other) for owner, other in self._early.items() if owner != parcel.owner)
        if kept + payload_bytes(parcel) > self._storage_bytes:
            return self._full()
        self._early[parcel.owner] = parcel
        return Receipt(True, payload_bytes(parcel))

    def _take_early(self) -> None:
        """A slot begins: take in what came early for it."""
        slot = self._node.current
        if slot is None:
            return
        early, self._early = self._early, {}
        for parcel in early.values():
            if parcel.slot == slot.slot:
                self._take_in(slot, parcel)

    def _take_in(self, slot: SlotState, parcel: Parcel) -> Receipt:
        """Accept a parcel of the current slot, or say why not."""
        before, size = slot.incoming.get(parcel.owner), payload_bytes(parcel)
        if before is not None and before.batch_ids == parcel.batch_ids:
            return Receipt(True, before.payload_bytes)
        if slot.fixed or parcel.owner in slot.given_up:
            return Receipt(False, 0, f"too late for slot {slot.slot}: its work has begun")
        allowed = slot.expected_batches().get(parcel.owner, 0)
        if slot.decision is not None and len(parcel.batch_ids) > allowed:
            return Receipt(False, 0, f"{allowed} batches of {parcel.owner} are expected in slot {slot.slot}")
        taken = slot.incoming_bytes() - (before.payload_bytes if before else 0)
        if taken + size > self._storage_bytes:
            return self._full()
        try:
            batches = with_prompts(parcel, unpack(parcel, partial(self._template, slot.stage)))
        except ValueError as error:
            return Receipt(False, 0, str(error))
        slot.incoming[parcel.owner] = Incoming(parcel.batch_ids, batches, size)
        count, total = slot.received.get(parcel.owner, (0, 0))
        slot.received[parcel.owner] = (count + len(batches), total + size)
        self._node.savepoint.later(self._node.meter.moved, slot.stage, 0, size)
        return Receipt(True, size)

    def _full(self) -> Receipt:
        return Receipt(False, 0, f"storage of {self._storage_bytes} bytes is full")

    def _template(self, stage: Stage, service: int) -> Arrays:
        """What a batch looks like. Raises ValueError for a service that this node does not have."""
        key = (stage, service)
        if key not in self._templates:
            workload = self._node.workloads[stage]
            if isinstance(workload, RequestWorkload) and stage is Stage.APPLICATION:
                self._templates[key] = workload.template(service)
            elif service == 0:
                self._templates[key] = workload.batch(0, stage.value)
            else:
                raise ValueError(
                    f"service {service} in the {stage} stage; only the application stage has several"
                )
        return self._templates[key]
