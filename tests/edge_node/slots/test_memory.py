"""What a node remembers is taken up by another start of it: the same telemetry, the same batches."""

from __future__ import annotations

from edge_node.config import NodeMemory
from edge_node.slots.backlog import Batch
from edge_node.slots.trading import OffloadRoom
from protos.messages.stream import Welcome
from protos.messages.terms import Stage
from tests.edge_node.slots.steps import MakeNode, decide, finish, welcome

NEXT = Welcome("run", 1, 2.0, 6.0, 1)


def test_another_start_reports_the_same_before_the_next_slot(make_node: MakeNode) -> None:
    node = make_node(deadline_slots=2)
    welcome(node)
    node.telemetry()
    finish(node, 0)
    memory = NodeMemory.model_validate_json(node.memory().model_dump_json())
    assert memory.waiting == ((0, 0, 6),)
    again = make_node(deadline_slots=2, memory=memory)
    again.register("second")
    again.on_welcome(Welcome("run", 1, 2.0, 6.0, 1, battery_uj=node.battery_uj))
    ours, theirs = again.telemetry(), node.telemetry()
    assert (ours.slot, ours.backlog_batches) == (theirs.slot, theirs.backlog_batches)
    assert (ours.battery_uj, ours.mean_loss) == (theirs.battery_uj, theirs.mean_loss)
    assert again.memory() == memory


def test_of_a_slot_that_went_by_the_books_say_what_is_done(make_node: MakeNode) -> None:
    node = make_node(deadline_slots=2)
    welcome(node)
    again = make_node(deadline_slots=2, memory=node.memory().model_copy(update={"done": (4,)}))
    again.register("second")
    again.on_welcome(NEXT)
    assert again.telemetry().backlog_batches == (0, 2, 6)


def test_work_that_went_by_at_its_deadline_has_expired(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    again = make_node(memory=node.memory().model_copy(update={"done": (0,)}))
    again.register("second")
    again.on_welcome(NEXT)
    assert again.telemetry().backlog_batches == (6,)


def test_who_slept_wakes_up_in_its_next_start(make_node: MakeNode) -> None:
    node = make_node()
    welcome(node)
    node.telemetry()
    node.on_decision(decide("n0", 0, awake=False))
    finish(node, 0)
    memory = node.memory()
    assert memory.slept
    again = make_node(memory=memory)
    again.register("second")
    again.on_welcome(NEXT)
    assert again.memory().slept
    late = make_node(
        memory=memory.model_copy(update={"done": (0,)})
    )  # a slot further it was started, and so awake
    late.register("second")
    late.on_welcome(Welcome("run", 1, 2.0, 6.0, 2))
    assert not late.memory().slept


def test_a_memory_that_does_not_reach_the_present_slot_is_left_alone(make_node: MakeNode) -> None:
    """A process replaced later in a run that was resumed: what its nodes did since is not in it."""
    node = make_node(deadline_slots=2)
    welcome(node)
    again = make_node(deadline_slots=2, memory=node.memory())
    again.register("second")
    again.on_welcome(NEXT)
    assert again.telemetry().backlog_batches == (0, 0, 6)


def test_batches_that_left_stay_counted() -> None:
    room = OffloadRoom()
    room.add([Batch(3, 0, Stage.DEVELOPMENT, 1), Batch(3, 1, Stage.DEVELOPMENT, 1)])
    again = OffloadRoom()
    again.recall(room.sent())
    assert again.sent() == ((1, 2),)
