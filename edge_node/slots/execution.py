"""The slot's work: what it waits for, and how it is done once."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Container, Mapping

from edge_node.meters.base import Work
from edge_node.slots.cut import Cut
from edge_node.slots.errors import NotReady, NoWork
from edge_node.slots.outside import OutsideClients
from edge_node.slots.phases import Phase
from edge_node.slots.savepoint import Savepoint
from edge_node.slots.sleeping import Sleeping
from edge_node.slots.slot import Readiness, SlotState
from edge_node.slots.state import NodeState
from edge_node.slots.users import count_answers
from edge_node.slots.work import count_result, first_batches, gather, run_stage
from edge_node.workload import Arrays, InferResult, Parameters, Result
from protos.messages.terms import Overrun, Stage

Job = Callable[[int], Result]
"""Does the slot's work in place of the workload, told how many batches it is."""


class Execution:
    """Does one node's work. Its methods take the locks they need.

    Args:
        node: The node's state.
        outside: Outside clients, who are answered with the model that the slot's work brings.
        sleeping: The board, which must be awake.
        lock: The node's lock; never held while the work runs.
        board: Held while the board works: one piece of work at a time.
    """

    def __init__(
        self,
        node: NodeState,
        outside: OutsideClients,
        sleeping: Sleeping,
        lock: threading.RLock,
        board: threading.Lock,
    ) -> None:
        self._node, self._outside, self._sleeping, self._lock, self._board = (
            node,
            outside,
            sleeping,
            lock,
            board,
        )

    def readiness(self, number: int) -> Readiness:
        """What ``execute`` of a slot still waits for."""
        with self._lock:
            slot = self._node.current
            if slot is None or slot.slot != number:
                return Readiness(False, (), (), over=number < self._node.slot)
            return Readiness(
                slot.decision is not None,
                slot.pending_parcels(),
                slot.missing_owners(),
                over=slot.usage is not None,
                awaits_reading=bool(slot.awaited_readers()),
                reads_for_others=slot.reads_for_others(),
            )

    def deadline_s(self, number: int) -> float:
        """Wall seconds that the decision of a slot gives; infinite without one."""
        with self._lock:
            slot = self._node.find(number)
            return math.inf if slot is None or slot.decision is None else slot.decision.deadline_s

    def give_up_missing(self, number: int, owners: Container[str] | None = None) -> tuple[str, ...]:
        """Wait no longer for batches that others offload in a slot: their parcels are refused from now on. ``owners``:
        of these alone.

        Returns their owners.
        """
        with self._lock:
            slot = self._node.current
            if slot is None or slot.slot != number:
                return ()
            missing = tuple(each for each in slot.missing_owners() if owners is None or each in owners)
            slot.given_up.update(missing)
            return missing

    def execute(self, parameters: Parameters, options: Mapping[str, float], job: Job | None = None) -> Result:
        """Do the slot's work; see ``EdgeNode.execute``."""
        self.wait_until_awake()
        with self._lock:
            slot = self._node.require_current()
            if slot.result is not None:
                return slot.result
            before = Savepoint(self._node, slot)
            owners, batches = self.begin(slot, parameters)
        try:
            with self._board:
                return self._run(slot, parameters, owners, batches, options, job)
        except BaseException:
            with self._lock:
                if slot.phase in (Phase.RUNNING, Phase.WORKED):  # else it was closed meanwhile
                    before.restore()
                    self._came_for_nothing(slot, parameters)
            raise

    def wait_until_awake(self) -> None:
        """Outside the node's lock: waking up takes its time. Raises NotReady where the board does not."""
        with self._lock:
            slot = self._node.current
            if slot is None or slot.decision is None or not slot.decision.awake:
                return
        if why := self._sleeping.wait_until_awake():
            raise NotReady(f"{self._node.node_id} cannot work, for its board was not woken: {why}")
        if why := self._node.clock_failed:
            raise NotReady(f"{self._node.node_id} cannot work, for its clock could not be set: {why}")

    def begin(self, slot: SlotState, parameters: Parameters) -> tuple[dict[str, int], list[Arrays]]:
        """(batches by owner, their arrays) of work that may begin now. Raises NotReady, and NoWork where there is none:
        ``parameters`` have come all the same."""
        try:
            return self._begin(slot)
        except NoWork:
            self._came_for_nothing(slot, parameters)
            raise

    def _came_for_nothing(self, slot: SlotState, parameters: Parameters) -> None:
        """A model for work that was not done: its bytes are no others'."""
        received = sum(array.nbytes for array in parameters.values())
        slot.model_bytes += received
        self._node.meter.moved(slot.stage, rx_bytes=received)

    def _begin(self, slot: SlotState) -> tuple[dict[str, int], list[Arrays]]:
        name, readiness = self._node.node_id, self.readiness(slot.slot)
        running = slot.phase is Phase.RUNNING
        if not readiness.ready or running:
            why = "its work is under way" if running else readiness.describe()
            raise NotReady(f"{name} cannot run slot {slot.slot}: {why}")
        owners, batches = gather(name, self._node.workloads[slot.stage], slot)
        if not batches:
            raise NoWork(f"{name} has no batches in slot {slot.slot}")
        if (stop := self._stop()) is not None and stop():
            raise NoWork(f"{name} has no time left in slot {slot.slot}")
        slot.enter(Phase.RUNNING)
        return owners, batches

    def _stop(self) -> Cut | None:
        """When to stop, where slots are cut."""
        node = self._node
        if node.windows is None or node.config.overrun is not Overrun.CUT:
            return None
        return Cut(node.windows.left_s, node.config.slot_s)

    def _run(
        self,
        slot: SlotState,
        parameters: Parameters,
        owners: dict[str, int],
        batches: list[Arrays],
        options: Mapping[str, float],
        job: Job | None,
    ) -> Result:
        node = self._node
        node.meter.begin()
        try:
            if job is None:
                workload = node.workloads[slot.stage]
                result = run_stage(workload, slot.stage, parameters, batches, options, self._stop())
            else:
                result = job(len(batches))
        except BaseException:
            with self._lock:
                node.meter.add(Work(slot.stage, 0.0, wasted=True))
            raise
        with self._lock:
            flop = _unmetered_flop(result)
            try:
                tx_bytes, rx_bytes = self.count(slot, result, parameters, owners, batches)
            except BaseException:
                node.meter.add(Work(slot.stage, flop, wasted=True))
                raise
            node.meter.add(Work(slot.stage, flop))
            node.meter.moved(slot.stage, tx_bytes=tx_bytes, rx_bytes=rx_bytes)
            return result

    def count(
        self,
        slot: SlotState,
        result: Result,
        parameters: Parameters,
        owners: dict[str, int],
        batches: list[Arrays],
    ) -> tuple[int, int]:
        """Enter a result into the slot. Returns the bytes (sent, received) over the radio.

        Raises NotReady for a slot that was closed meanwhile, NoWork where no batch was done, ValueError for a result
        that contradicts itself.
        """
        node, done = self._node, result.batches
        if slot.phase is not Phase.RUNNING:
            raise NotReady(f"slot {slot.slot} was closed while {node.node_id} worked: too late")
        if not done:
            raise NoWork(f"{node.node_id} came to the end of no batch in slot {slot.slot}")
        if done < len(batches):
            owners, batches = first_batches(owners, done), batches[:done]
            slot.undone = sorted(slot.own)[owners.get(node.node_id, 0) :]
        slot.enter(Phase.WORKED)
        sent, received = count_result(slot, result, owners, parameters)
        if isinstance(result, InferResult):
            node.serving.finish(slot, result, owners, batches)
        up, down = count_answers(node, slot, result, owners, batches)
        if slot.mean_loss is not None:
            node.mean_loss = slot.mean_loss
        if slot.stage in (Stage.DEVELOPMENT, Stage.APPLICATION):
            self._outside.model = parameters  # outside clients are answered while others still train
        return sent + up, received + down


def _unmetered_flop(result: Result) -> float:
    """What the workload has not entered in the meter itself."""
    return result.flop - (result.metered_flop if isinstance(result, InferResult) else 0.0)
