"""Own batches whose prompts are read here before they leave: the board's work, and the caches in the parcel."""

from __future__ import annotations

import threading
from dataclasses import replace

from edge_node.meters.base import Work
from edge_node.serving.requests import reader_of
from edge_node.slots.sleeping import Sleeping
from edge_node.slots.slot import Outgoing, SlotState
from edge_node.slots.state import NodeState
from protos.messages.parcels import HandedPrompt, Parcel


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

    def read(self, parcel: Parcel) -> Parcel:
        """The parcel as it leaves: with the caches of the prompts that are to be read here. What could not be read is
        read by the executor. Another's, or one of a plan that was replaced, is returned as it is."""
        with self._lock:
            found = self._outgoing(parcel)
        if found is None:
            return parcel
        slot, outgoing = found
        if not self._sleeping.wait_until_awake():
            with self._board:
                self._read(slot, [batch.batch_id for batch in outgoing.batches[: outgoing.handed]])
        with self._lock:
            if outgoing.parcel is not parcel:
                return parcel
            ids = [batch.batch_id for batch in outgoing.batches[: outgoing.handed]]
            prompts = tuple(prompt for batch_id in ids for prompt in slot.prompts.get(batch_id, ()))
            outgoing.parcel = replace(parcel, prompts=prompts)
            return outgoing.parcel

    def _outgoing(self, parcel: Parcel) -> tuple[SlotState, Outgoing] | None:
        slot = self._node.current
        if slot is None or slot.slot != parcel.slot or slot.usage is not None:
            return None
        outgoing = slot.outgoing.get(parcel.executor)
        if outgoing is None or outgoing.parcel is not parcel or not outgoing.handed:
            return None
        return slot, outgoing

    def _read(self, slot: SlotState, batch_ids: list[int]) -> None:
        node = self._node
        workload = node.workloads[slot.stage]
        read = reader_of(workload)
        node.meter.begin()
        try:
            for batch_id in batch_ids:
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
        finally:
            with self._lock:
                node.meter.add(Work(slot.stage, 0.0))


def _placed(prompt: HandedPrompt, batch_id: int, place: int, read_s: float) -> HandedPrompt:
    return replace(prompt, batch_id=batch_id, place=place, read_s=read_s)
