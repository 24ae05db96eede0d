"""Backlog: own batches wait until their deadline and run in its order."""

from __future__ import annotations

from edge_node.slots.backlog import Backlog
from edge_node.workload import Parameters
from protos.messages.terms import Stage
from tests.edge_node.slots.steps import MakeNode, decide, finish, welcome


def test_deadlines_end_with_the_stage_and_the_run() -> None:
    stages = (Stage.DEVELOPMENT, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT, Stage.RECYCLING)
    backlog = Backlog(stages, 2, lambda stage: 1)
    assert [backlog.deadline(slot) for slot in range(5)] == [1, 3, 2, 3, 4]
    for slot in range(2):
        backlog.release(slot)
    assert backlog.counts(1) == (1, 0, 1)
    assert [b.batch_id for b in backlog.take(Stage.DEVELOPMENT, 5)] == [0, 1]
    assert backlog.counts(1) == (0, 0, 0)
    assert backlog.forecast(3, 4) == (1, 0, 0)


def test_work_not_done_waits_for_its_deadline(make_node: MakeNode, model: Parameters) -> None:
    node = make_node(deadline_slots=1)
    welcome(node)
    node.on_decision(decide("n0", 0, own=2))
    node.execute(model)
    finish(node, 0)
    assert node.telemetry().backlog_batches == (4, 6)
    node.on_decision(decide("n0", 1, own=5))
    node.execute(model)
    assert node.workload.trained == [0, 1, 2, 3, 4, 5, 6]  # earliest deadline first
    finish(node, 1)
    assert node.telemetry().backlog_batches == (5, 6)


def test_what_is_taken_removed_and_expired_is_gone_and_the_rest_in_order() -> None:
    backlog = Backlog((Stage.DEVELOPMENT, Stage.DEVELOPMENT, Stage.APPLICATION), 1, lambda stage: 4)
    for slot in range(2):
        backlog.release(slot)
    waiting = backlog.waiting(Stage.DEVELOPMENT)
    assert [batch.batch_id for batch in waiting] == [0, 1, 2, 3, 4, 5, 6, 7]
    backlog.remove(each for each in (waiting[1], waiting[6]))
    assert [batch.batch_id for batch in backlog.waiting(Stage.DEVELOPMENT)] == [0, 2, 3, 4, 5, 7]
    assert backlog.waiting(Stage.APPLICATION) == []
    assert [batch.batch_id for batch in backlog.take(Stage.DEVELOPMENT, 2)] == [0, 2]
    assert backlog.take(Stage.APPLICATION, 2) == []
    assert backlog.counts(1) == (4, 0)
    backlog.put_back([waiting[2], waiting[0]])
    assert [batch.batch_id for batch in backlog.waiting(Stage.DEVELOPMENT)] == [0, 2, 3, 4, 5, 7]
    assert backlog.released_in(1) == 4
    assert backlog.expire(0) == []
    assert [batch.batch_id for batch in backlog.expire(1)] == [0, 2, 3, 4, 5, 7]
    assert backlog.waiting(Stage.DEVELOPMENT) == []


def test_what_is_due_expires_with_its_slot_and_no_later_work() -> None:
    backlog = Backlog((Stage.DEVELOPMENT,) * 4, 1, lambda stage: 9, demand=(1, 2, 0, 3))
    assert [backlog.released_in(slot) for slot in range(4)] == [1, 2, 0, 3]
    for slot in range(2):
        backlog.release(slot)
    assert [batch.batch_id for batch in backlog.expire(1)] == [0]
    assert [batch.batch_id for batch in backlog.waiting(Stage.DEVELOPMENT)] == [1, 2]
    assert backlog.forecast(0, 4) == (2, 0, 3)
    assert backlog.forecast(2, 4) == (3, 0, 0)
    requests = Backlog(
        (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION),
        2,
        lambda stage: 9,
        requests=(7, 5, 6),
        requests_deadline_slots=0,
    )
    assert [requests.released_in(slot) for slot in range(3)] == [9, 5, 6]
    assert [requests.deadline(slot) for slot in range(3)] == [0, 1, 2]
    both = (Stage.DEVELOPMENT,) * 3 + (Stage.APPLICATION,) * 3
    mixed = Backlog(both, 2, lambda stage: 1, requests_deadline_slots=1)
    assert [mixed.deadline(slot) for slot in range(6)] == [2, 2, 2, 4, 5, 5], (
        "other work waits as long as it may"
    )
    assert Backlog((Stage.APPLICATION,) * 3, 1, lambda stage: 1, requests_deadline_slots=5).deadline(0) == 1
