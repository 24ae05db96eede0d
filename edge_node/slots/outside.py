"""Outside clients of a node: their requests are answered beside the slots' own work, and booked in them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

import numpy as np

from edge_node.meters.base import Work
from edge_node.serving.port import Answered, Answers
from edge_node.serving.release import Times
from edge_node.slots.errors import NoModel
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from edge_node.workload import Arrays, BatchWork, InferResult, Parameters
from protos.messages.terms import Stage

log = logging.getLogger(__name__)


class OutsideClients:
    """Answers outside requests with the latest global model.

    Args:
        node: The node's state; bookings go to its slot and meter.
        answers: How requests are answered; None: they are refused.
        lock: The node's lock.
        board: Held while the board works: one piece of work at a time.
    """

    def __init__(
        self, node: NodeState, answers: Answers | None, lock: threading.RLock, board: threading.Lock
    ) -> None:
        self._node, self._answers, self._lock, self._board = node, answers, lock, board
        self._slot_opened = threading.Condition(lock)
        node.on_open.append(self._slot_opened.notify_all)  # answers that wait to be booked look again
        self._leaving = False
        self.model: Parameters | None = None
        """Global model of the application's task, as the node was last given it."""

    def check(self, arrays: Arrays) -> None:
        """Whether outside requests of this form can be answered now.

        Raises:
            NoModel: no global model has come yet (before the first round), or the run is over.
            ValueError: arrays that the task does not read.
        """
        name = self._node.node_id
        with self._lock:
            if self._answers is None:
                raise NoModel(f"{name} answers no outside clients")
            if self.model is None:
                raise NoModel(f"{name} has no global model yet; it comes with the first round")
            if self._node.current is None:
                raise NoModel(f"the run {self._node.config.run_id} is over")
            answers = self._answers
        answers.check(arrays)

    def answer(self, arrays: Arrays, waited_s: Sequence[float] = ()) -> Answered:
        """Answer outside requests with the latest global model; booked in the application lines of the slot
        that is running when they are done.

        ``waited_s``: what each request has waited already, for its latency. Raises as ``check``.
        """
        self.check(arrays)
        assert self._answers is not None
        self._leaving = False
        with self._board:
            began, cpu_s = time.perf_counter(), time.thread_time()
            self._node.meter.begin()
            try:
                assert self.model is not None
                answered = self._answers.answer(self.model, arrays)
            except BaseException:
                self._book(0.0, None, 0, 0, np.empty(0))
                raise
            wall_s = time.perf_counter() - began
            latency_s = wall_s + np.asarray(waited_s, dtype=float)
            seconds = min(time.thread_time() - cpu_s, wall_s)
            received = sum(array.nbytes for array in arrays.values())
            sent = sum(array.nbytes for array in answered.arrays.values())
            result = answered.result
            work = BatchWork(result.flop, seconds, result.decode_flop, min(seconds, result.decode_s))
            self._book(result.flop, result, received, sent, latency_s, work)
            return answered

    def stop(self) -> None:
        """Answers wait no longer for a slot in which they can be booked: the process ends."""
        with self._slot_opened:
            self._leaving = True
            self._slot_opened.notify_all()

    def _book(
        self,
        flop: float,
        result: InferResult | None,
        received: int,
        sent: int,
        latency_s: Times,
        work: BatchWork | None = None,
    ) -> None:
        with self._slot_opened:
            # Between a slot's reading and the next slot nothing is metered: what was done then is the next's.
            def metered() -> SlotState | None:
                slot = self._node.current
                return slot if slot is not None and slot.usage is None else None

            self._slot_opened.wait_for(
                lambda: metered() is not None or self._node.current is None or self._leaving
            )
            self._node.meter.add(Work(Stage.APPLICATION, flop, wasted=result is None))
            slot = metered()
            if slot is None:
                log.warning("%s: answers given after the last reading are in no books", self._node.node_id)
            elif result is not None and work is not None:
                with self._node.savepoint.together():
                    slot.exchange(self._node.node_id, Stage.APPLICATION, received, sent, outside=True)
                    slot.outside.add(result, latency_s, self._node.serving.service(work))
                self._node.meter.moved(Stage.APPLICATION, tx_bytes=sent, rx_bytes=received)
