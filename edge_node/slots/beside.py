"""Work beside the slot's batches: an app's evaluation and queries, the rest of other nodes' models. It is metered in
the slot, and no batch of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_node.meters.base import Work
from edge_node.slots.errors import NotReady
from edge_node.slots.state import NodeState


@dataclass(frozen=True, slots=True)
class Done:
    """What a piece of such work cost."""

    flop: float
    received_bytes: int
    sent_bytes: int
    of_models: bool = False
    """Whether these bytes are among those of models that the slot reports."""


class BesideWork:
    """Does it with the board's lock, so that the board does one piece of work at a time.

    Args:
        node: The node's state; bookings go to its slot's meter.
        lock: The node's lock; never held while the work runs.
        board: Held while the board works.
    """

    def __init__(self, node: NodeState, lock: threading.RLock, board: threading.Lock) -> None:
        self._node, self._lock, self._board = node, lock, board

    def run(self, job: Callable[[], Done]) -> None:
        """Do ``job`` in the present slot.

        Raises:
            NotReady: the node sleeps, or its slot is over.
        """
        node = self._node
        with self._board:
            self._refuse_asleep()
            node.meter.begin()
            done: Done | None = None
            try:
                done = job()
            finally:
                with self._lock:
                    slot = node.current
                    if slot is not None and slot.usage is None:
                        stage = slot.stage
                        node.meter.add(Work(stage, 0.0 if done is None else done.flop, wasted=done is None))
                        if done is not None:
                            node.meter.moved(stage, tx_bytes=done.sent_bytes, rx_bytes=done.received_bytes)
                            if done.of_models:
                                slot.model_bytes += done.sent_bytes + done.received_bytes

    def _refuse_asleep(self) -> None:
        with self._lock:
            slot = self._node.current
            if slot is None:
                raise NotReady(f"{self._node.node_id}: the run is over")
            if slot.usage is not None:
                raise NotReady(f"{self._node.node_id}: slot {slot.slot} is over")
            if slot.decision is not None and not slot.decision.awake:
                raise NotReady(f"{self._node.node_id} sleeps in slot {slot.slot}")
