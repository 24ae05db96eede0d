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
