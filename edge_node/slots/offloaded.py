"""Batches of other nodes: what is accepted, how much of it, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from edge_node.meters.base import Meter
from edge_node.serving.requests import RequestWorkload
from edge_node.slots.parcels import payload_bytes, unpack
from edge_node.slots.slot import Incoming, SlotState
from edge_node.workload import Arrays, Workload
from protos.messages import Parcel, Receipt, Stage


class OffloadedBatches:
    """Batches that others offload to this node, taken in within its storage (S_j of (D7))."""

    def __init__(self, storage_bytes: int, workloads: Mapping[Stage, Workload], meter: Meter) -> None:
        self._storage_bytes = storage_bytes
        self._workloads = workloads
        self._meter = meter
        self._early: dict[str, Parcel] = {}
        """Parcels for the next slot, by owner."""
        self._templates: dict[tuple[Stage, int], Arrays] = {}

    def keep_early(self, parcel: Parcel) -> Receipt:
        """Hold a parcel for the next slot: its owner heard of the decision before this node did."""
        kept = sum(payload_bytes(other) for owner, other in self._early.items() if owner != parcel.owner)
        if kept + payload_bytes(parcel) > self._storage_bytes:
            return self._full()
        self._early[parcel.owner] = parcel
        return Receipt(True, payload_bytes(parcel))

    def open(self, state: SlotState) -> None:
        """A slot begins: take in what came early for it."""
        early, self._early = self._early, {}
        for parcel in early.values():
            if parcel.slot == state.slot:
                self.take_in(state, parcel)

    def take_in(self, state: SlotState, parcel: Parcel) -> Receipt:
        """Accept a parcel of the current slot, or say why not."""
        before, size = state.incoming.get(parcel.owner), payload_bytes(parcel)
        if before is not None and before.batch_ids == parcel.batch_ids:
            return Receipt(True, before.payload_bytes)
        if state.fixed or parcel.owner in state.given_up:
            return Receipt(False, 0, f"too late for slot {state.slot}: its work has begun")
        allowed = state.expected_batches().get(parcel.owner, 0)
        if state.decision is not None and len(parcel.batch_ids) > allowed:
            return Receipt(False, 0, f"{allowed} batches of {parcel.owner} are expected in slot {state.slot}")
        taken = state.incoming_bytes() - (before.payload_bytes if before else 0)
        if taken + size > self._storage_bytes:
            return self._full()
        try:
            batches = unpack(parcel, partial(self._template, state.stage))
        except ValueError as error:
            return Receipt(False, 0, str(error))
        state.incoming[parcel.owner] = Incoming(parcel.epoch, parcel.batch_ids, batches, size)
        count, total = state.received.get(parcel.owner, (0, 0))
        state.received[parcel.owner] = (count + len(batches), total + size)
        self._meter.moved(state.stage, rx_bytes=size)
        return Receipt(True, size)

    def _full(self) -> Receipt:
        return Receipt(False, 0, f"storage of {self._storage_bytes} bytes is full")

    def _template(self, stage: Stage, service: int) -> Arrays:
        """What a batch looks like. Raises ValueError for a service that this node does not have."""
        key = (stage, service)
        if key not in self._templates:
            workload = self._workloads[stage]
            if isinstance(workload, RequestWorkload) and stage is Stage.APPLICATION:
                self._templates[key] = workload.template(service)
            elif service == 0:
                self._templates[key] = workload.batch(0, stage.value)
            else:
                raise ValueError(
                    f"service {service} in the {stage} stage; only the application stage has several"
                )
        return self._templates[key]
