"""The slot's work where a node trains a part of a model: step by step, as answers come from the node with the rest.

A step is metered when it is done, and its bytes are counted when they go and come: of a conversation that breaks off
what was spent stays in the books. Between two steps the board is free for others, such as the rest itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from edge_node.meters.base import Work
from edge_node.slots.beside import BesideWork, Done
from edge_node.slots.errors import NotReady
from edge_node.slots.execution import Execution
from edge_node.slots.phases import Phase
from edge_node.slots.savepoint import Savepoint
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from edge_node.workload import Arrays, InParts, Lower, Parameters, TrainResult, Upper


@dataclass
class _Open:
    """The node's own part under way."""

    slot: SlotState
    before: Savepoint
    owners: dict[str, int]
    batches: list[Arrays]
    parameters: Parameters
    lower: Lower
    flop: float = 0.0
    """Metered so far."""


class Conversation:
    """A node's own part of the model, and on the server the rest of all others' models.

    Args:
        node: The node's state.
        execution: How the slot's work begins and is counted.
        beside: How the rest is computed.
        lock: The node's lock; never held while the work runs.
        board: Held while the board works.
    """

    def __init__(
        self,
        node: NodeState,
        execution: Execution,
        beside: BesideWork,
        lock: threading.RLock,
        board: threading.Lock,
    ) -> None:
        self._node, self._execution, self._beside = node, execution, beside
        self._lock, self._board = lock, board
        self._open: _Open | None = None
        self._upper: tuple[int, Upper] | None = None
        """(slot, the rest) of the round that this node serves."""

    # --- the node's own part -------------------------------------------------------------------------------

    def begin(self, parameters: Parameters, options: Mapping[str, float]) -> Arrays | TrainResult:
        """Begin the slot's work: what is to be sent first. In a slot whose work is done, its result.

        Raises as ``EdgeNode.execute``."""
        self._execution.wait_until_awake()
        with self._lock:
            slot = self._node.require_current()
            if isinstance(slot.result, TrainResult):
                return slot.result
            workload = self._in_parts(slot)
            before = Savepoint(self._node, slot)
            owners, batches = self._execution.begin(slot, parameters)
            self._open = _Open(
                slot, before, owners, batches, parameters, workload.lower(parameters, batches, options)
            )
        return self._advance(self._open, None)

    def go_on(self, slot: int, answer: Arrays) -> Arrays | TrainResult:
        """The next step, now that an answer has come: what is to be sent, or the result of the slot's work.

        Raises NotReady where no work is under way in that slot, or it is over."""
        with self._lock:
            talk = self._open
            if talk is None or talk.slot.slot != slot or talk.slot.phase is not Phase.RUNNING:
                raise NotReady(f"{self._node.node_id} has no work under way in slot {slot}: too late")
            self._count(talk.slot, received=answer)
        return self._advance(talk, answer)

    def _advance(self, talk: _Open, answer: Arrays | None) -> Arrays | TrainResult:
        node, stage = self._node, talk.slot.stage
        with self._board:
            node.meter.begin()
            try:
                sent = next(talk.lower) if answer is None else talk.lower.send(answer)
            except StopIteration as end:
                result: TrainResult = end.value
                return self._finish(talk, result)
            except BaseException:
                with self._lock:
                    node.meter.add(Work(stage, 0.0, wasted=True))
                    self._give_up(talk)
                raise
            with self._lock:
                if talk.slot.usage is not None:
                    node.meter.add(Work(stage, sent.flop, wasted=True))
                    raise NotReady(f"slot {talk.slot.slot} was closed while {node.node_id} worked: too late")
                node.meter.add(Work(stage, sent.flop))
                talk.flop += sent.flop
                self._count(talk.slot, sent=sent.arrays)
        return sent.arrays

    def _finish(self, talk: _Open, result: TrainResult) -> TrainResult:
        """Enter the result into the slot. The board is held."""
        node, slot = self._node, talk.slot
        with self._lock:
            self._open = None
            left = max(0.0, result.flop - talk.flop)
            try:
                sent, received = self._execution.count(
                    slot, result, talk.parameters, talk.owners, talk.batches
                )
            except BaseException:
                node.meter.add(Work(slot.stage, left, wasted=True))
                raise
            node.meter.add(Work(slot.stage, left))
            node.meter.moved(slot.stage, tx_bytes=sent, rx_bytes=received)
        return result

    def _give_up(self, talk: _Open) -> None:
        """The work failed: it may be tried again, and what it cost stays."""
        self._open, moved = None, talk.slot.model_bytes
        if talk.slot.phase is Phase.RUNNING:
            talk.before.restore()
            talk.slot.model_bytes = moved

    def _count(self, slot: SlotState, sent: Arrays | None = None, received: Arrays | None = None) -> None:
        """Bytes over this node's radio; none where it serves itself."""
        if self._in_parts(slot).server == self._node.node_id:
            return
        tx_bytes, rx_bytes = (0 if arrays is None else bytes_of(arrays) for arrays in (sent, received))
        self._node.meter.moved(slot.stage, tx_bytes=tx_bytes, rx_bytes=rx_bytes)
        slot.model_bytes += tx_bytes + rx_bytes

    # --- the rest of other nodes' models ---------------------------------------------------------------------

    def serve(
        self, slot: int, parameters: Parameters, nodes: tuple[str, ...], options: Mapping[str, float]
    ) -> None:
        """Begin to serve ``nodes`` in a slot. Raises NotReady where the node sleeps or the slot is over."""
        with self._lock:
            workload = self._in_parts(self._node.require_current())

        def job() -> Done:
            self._upper = slot, workload.upper(parameters, nodes, options)
            return Done(0.0, bytes_of(parameters), 0, of_models=True)

        self._beside.run(job)

    def answer(self, slot: int, sent: Mapping[str, Arrays]) -> dict[str, Arrays]:
        """Answers to what nodes sent. Raises NotReady where none are served in that slot."""
        upper, own = self._served(slot), self._node.node_id
        answers: dict[str, Arrays] = {}

        def job() -> Done:
            found, flop = upper.answer(sent)
            answers.update(found)
            received, told = (
                sum(bytes_of(arrays) for node, arrays in each.items() if node != own)
                for each in (sent, found)
            )
            return Done(flop, received, told, of_models=True)

        self._beside.run(job)
        return answers

    def served(self, slot: int) -> dict[str, Parameters]:
        """The rest as it is at the end of the round, by the node whose model it completes."""
        upper = self._served(slot)
        found: dict[str, Parameters] = {}

        def job() -> Done:
            found.update(upper.parameters())
            return Done(0.0, 0, sum(bytes_of(each) for each in found.values()), of_models=True)

        self._beside.run(job)
        self._upper = None
        return found

    def _served(self, slot: int) -> Upper:
        if self._upper is None or self._upper[0] != slot:
            raise NotReady(f"{self._node.node_id} serves no node in slot {slot}")
        return self._upper[1]

    def _in_parts(self, slot: SlotState) -> InParts:
        workload = self._node.workloads[slot.stage]
        if not isinstance(workload, InParts):
            raise NotReady(f"{self._node.node_id} trains whole models in slot {slot.slot}")
        return workload


def bytes_of(arrays: Arrays | Parameters) -> int:
    """Bytes of named arrays as they travel."""
    return sum(array.nbytes for array in arrays.values())
