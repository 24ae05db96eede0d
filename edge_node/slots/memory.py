"""What a node carries from slot to slot, taken out for another start of it, and taken up again there.

Battery, zone and slot are in the books; numbers and content of batches follow from the configuration. What is left is
small: which batches wait, when the board is free, whether it slept, and tensors that never leave the node.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator

import numpy as np

from edge_node.config import NodeMemory
from edge_node.slots.backlog import Batch
from edge_node.slots.phases import Phase
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from edge_node.slots.trading import OffloadRoom
from edge_node.workload import KeepsTensors
from protos.messages.terms import Stage

FLOAT = np.dtype("<f4")


def remember(node: NodeState, room: OffloadRoom) -> NodeMemory:
    """State before the decision of the slot that ``node`` is in. What is released in that slot is not part of it: it
    is released again."""
    number, slot = max(node.slot, 0), node.current
    held = [*node.backlog.held(), *(slot.left_over() if slot is not None else ())]
    return NodeMemory(
        slot=number,
        waiting=tuple(_runs(batch for batch in held if batch.released < number)),
        sent=room.sent(),
        free_s=node.serving.free_s,
        slept=node.slept(),
        mean_loss=node.mean_loss,
        home=_home(node),
    )


def covers(memory: NodeMemory, next_slot: int) -> bool:
    """Whether the memory, with what the books say of the slots since, reaches up to ``next_slot``. It does not in a
    start of the node that replaces a lost process later in the run."""
    return memory.slot + len(memory.done) == next_slot


def recall(node: NodeState, memory: NodeMemory, next_slot: int) -> None:
    """Take up ``memory``, which covers ``next_slot``, in a fresh node, and open that slot. Of the slots between, which
    went by without the node, the books say what is done; the rest waits on, or has expired."""
    node.backlog.recall(memory.waiting)
    node.serving.free_s, node.mean_loss = memory.free_s, memory.mean_loss
    workload = node.workloads.get(Stage.DEVELOPMENT)
    if memory.home and isinstance(workload, KeepsTensors):
        workload.take_home(
            {name: np.frombuffer(b64decode(told), FLOAT) for name, told in memory.home.items()}
        )
    stages = node.config.stages
    for number, done in enumerate(memory.done, memory.slot):
        node.backlog.release(number)
        node.backlog.take(stages[number], done)
        node.backlog.expire(number)
    awake = not memory.slept or bool(memory.done)
    if next_slot:
        node.last = SlotState(next_slot - 1, stages[next_slot - 1], awake, phase=Phase.MISSED)
    node.open(next_slot, awake)


def _home(node: NodeState) -> dict[str, str]:
    """Tensors that the node keeps to itself, as text."""
    workload = node.workloads.get(Stage.DEVELOPMENT)
    if not isinstance(workload, KeepsTensors):
        return {}
    return {
        name: b64encode(array.astype(FLOAT, copy=False).tobytes()).decode()
        for name, array in workload.home().items()
    }


def _runs(batches: Iterable[Batch]) -> Iterator[tuple[int, int, int]]:
    """(slot of release, number of the first, how many) of batches with numbers in a row."""
    first = count = released = -1
    for batch in sorted(batches, key=lambda each: (each.released, each.batch_id)):
        if count > 0 and batch.released == released and batch.batch_id == first + count:
            count += 1
            continue
        if count > 0:
            yield released, first, count
        released, first, count = batch.released, batch.batch_id, 1
    if count > 0:
        yield released, first, count
