"""Own batches whose prompts are read here before they leave: the board's work, the caches in the parcel, and what
heartbeats say of both ways."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from edge_node.meters.base import Work
from edge_node.serving.requests import reader_of
from edge_node.slots.sleeping import Sleeping
from edge_node.slots.slot import Delivery, Outgoing, SlotState
from edge_node.slots.state import NodeState
from protos.messages.parcels import HandedPrompt, Parcel
from protos.messages.stream import MOST_AWAITED


@dataclass(frozen=True, slots=True)
class Handing:
    """Of a heartbeat, what it says of prompts that one node reads for another."""

    awaits: tuple[str, ...] = ()
    handed_slot: int | None = None


class HandOver:
    """Reads one node's prompts for others.

    Args:
        node: The node's state.
        sleeping: The board, which must be awake.
        lock: The node's lock; never held while the board reads.
        board: Held while the board works.
    """

    def __init__(
        self, node: NodeState, sleeping: Sleeping, lock: threading.RLock, board: threading.Lock
    ) -> None:
        self._node, self._sleeping, self._lock, self._board = node, sleeping, lock, board
        self._handing = Handing()

    def handing(self) -> Handing:
        """How far the prompts are. Does not wait: while the node's lock is held, as it was at the time before."""
        if self._lock.acquire(blocking=False):
            try:
                self._handing = _handing(self._node.current)
            finally:
                self._lock.release()
        return self._handing

    def is_due(self, parcel: Parcel) -> bool:
        """Whether prompts of the parcel are to be read here."""
        with self._lock:
            return self._outgoing(parcel) is not None

    def read(self, parcel: Parcel) -> Parcel:
        """The parcel as it leaves: with the caches of the prompts that are to be read here. What could not be read is
        read by the executor. Another's, or one of a plan that was replaced, is returned as it is."""
        with self._lock:
            found = self._outgoing(parcel)
        if found is None:
            return parcel
        slot, outgoing = found
        ids = [batch.batch_id for batch in outgoing.batches[: outgoing.handed]]
        if not self._sleeping.wait_until_awake():
            with self._board:
                self._read(slot, ids, parcel)
        with self._lock:
            # Looked up again: a call that failed meanwhile has put the slot's parcels back as they were.
            found = self._outgoing(parcel)
            if found is None:
                return parcel
            prompts = tuple(prompt for batch_id in ids for prompt in slot.prompts.get(batch_id, ()))
            found[1].parcel = replace(parcel, prompts=prompts)
            return found[1].parcel

    def _outgoing(self, parcel: Parcel) -> tuple[SlotState, Outgoing] | None:
        slot = self._node.current
        if slot is None or slot.slot != parcel.slot or slot.usage is not None:
            return None
        outgoing = slot.outgoing.get(parcel.executor)
        if outgoing is None or outgoing.parcel is not parcel or not outgoing.handed:
            return None
        return slot, outgoing

    def _is_wanted(self, parcel: Parcel) -> bool:
        """Whether the parcel is still to leave: not where the slot is over, its plan replaced or it was given up."""
        with self._lock:
            found = self._outgoing(parcel)
            return found is not None and found[1].delivery is Delivery.PENDING

    def _is_open(self, slot: SlotState) -> bool:
        return slot is self._node.current and slot.usage is None

    def _read(self, slot: SlotState, batch_ids: list[int], parcel: Parcel) -> None:
        node = self._node
        workload = node.workloads[slot.stage]
        read = reader_of(workload)
        node.meter.begin()
        try:
            for batch_id in batch_ids:
                if not self._is_wanted(parcel):
                    break
                if batch_id in slot.prompts:  # of a plan before this one
                    continue
                batch = workload.batch(batch_id, slot.stage.value)
                found = read(batch)
                with self._lock:
                    uses = [each.use for each in found if each.use is not None]
                    # What had been read before takes no time: its cache leaves when the batch does.
                    ends_s = (
                        node.serving.read_ahead(slot, batch_id, batch, uses) if uses else [0.0] * len(found)
                    )
                    slot.prompts[batch_id] = tuple(
                        _placed(each.prompt, batch_id, place, end_s)
                        for place, (each, end_s) in enumerate(zip(found, ends_s, strict=True))
                        if each.prompt is not None
                    )
                    if uses and not self._is_open(slot):
                        # Its reading has been told. Their joules are in the window that is open now.
                        node.read_late += slot.language[-len(uses) :]
        finally:
            with self._lock:
                node.meter.add(Work(slot.stage, 0.0))


def _placed(prompt: HandedPrompt, batch_id: int, place: int, read_s: float) -> HandedPrompt:
    return replace(prompt, batch_id=batch_id, place=place, read_s=read_s)


def _handing(slot: SlotState | None) -> Handing:
    if slot is None or slot.decision is None or slot.usage is not None:
        return Handing()
    reads = any(send.handed for send in slot.decision.sends)
    handed_slot = slot.slot if reads and not slot.reads_for_others() else None
    return Handing(slot.awaited_readers()[:MOST_AWAITED], handed_slot)
