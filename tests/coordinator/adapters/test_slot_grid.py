"""A grid whose training rounds are slots, under strategies that know nothing of it."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg

from coordinator.adapters.flower_server import Link, RunRecord, Watch
from coordinator.adapters.slot_grid import AppError, SlotGrid
from protos.flower_names import NODE_UNAVAILABLE, NOT_IN_SLOT, SLOT
from protos.messages.terms import Stage
from tests.coordinator.adapters.script import NUMBERS, Nodes, Script


class AppNodes(Nodes):
    """Nodes that add one to every weight of float64, and evaluate."""

    def _work(self, message, number):
        if message.metadata.message_type == "evaluate":
            metrics = {"num-examples": number, "eval_acc": number / 10, "eval_loss": 1.0}
            return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
        arrays = ArrayRecord({k: Array(a.numpy() + 1) for k, a in message.content["arrays"].items()})
        metrics = MetricRecord({"num-examples": 10, "train_loss": float(number)})
        return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


class Later(Script):
    """Node ``b`` works in the second slot of a round, the others in the first."""

    def begin_slot(self, slot, stage, wait_s):
        self.batches = {"a": 1, "b": 0, "c": 1} if slot % 2 == 0 else {"a": 0, "b": 1, "c": 0}
        return super().begin_slot(slot, stage, wait_s)


def grid_of(control, nodes=None, slots=2, window=1):
    link = Link(control=control, numbers=NUMBERS, wait_s=1.0, timeout_s=30.0)
    return SlotGrid(nodes or AppNodes(), link, range(slots), window, Watch(), RunRecord())


def start(grid, rounds=2, **options):
    initial = ArrayRecord({"w": Array(np.zeros(2, np.float64))})
    return FedAvg(**options).start(grid=grid, initial_arrays=initial, num_rounds=rounds)


def awake():
    return Script({"a": 1, "b": 1, "c": 1})


def train_message(number, group=""):
    content = RecordDict(
        {"arrays": ArrayRecord({"w": Array(np.zeros(1))}), "config": ConfigRecord({"lr": 0.1})}
    )
    return Message(content, number, "train", group_id=group)


def test_every_round_is_a_slot_with_its_evaluation_and_weights_keep_their_type() -> None:
    control, nodes = awake(), AppNodes()
    grid = grid_of(control, nodes)
    result = start(grid)
    grid.finish()
    assert [call[:2] for call in control.calls] == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
    assert control.calls[1][2] == 6  # scalars of three answers
    assert result.arrays["w"].dtype == "float64"
    np.testing.assert_allclose(result.arrays["w"].numpy(), [2.0, 2.0])
    assert [outcome.server_round for outcome in grid.record.outcomes] == [1, 2]
    first = grid.record.outcomes[0]
    assert first.stage is Stage.DEVELOPMENT
    assert sorted(first.replies.answered) == ["a", "b", "c"]  # in the order of the strategy's sampling
    assert first.replies.metrics == {"num-examples": 30.0, "loss": 3.0}
    assert first.evaluation is not None
    assert first.evaluation.accuracy_fraction == pytest.approx((2 * 0.2 + 3 * 0.3 + 4 * 0.4) / 9)
    assert first.evaluation.loss == 1.0
    assert {m.metadata.message_type for m in nodes.seen} == {"train", "evaluate"}


def test_the_allowance_travels_beside_the_apps_own_records_and_is_gone_afterwards() -> None:
    nodes = AppNodes()
    carried = []
    plain = nodes._work
    nodes._work = lambda message, number: (
        carried.append(dict(message.content[SLOT])) or plain(message, number)
    )
    grid = grid_of(awake(), nodes)
    message = train_message(2)
    (reply,) = grid.send_and_receive([message])
    assert not reply.has_error()
    assert set(message.content) == {"arrays", "config"}
    assert carried[0]["slot"] == 0
    assert carried[0]["batches"] == 1


def test_nodes_that_sleep_or_have_no_work_answer_with_a_typed_error_and_stay_listed() -> None:
    control, nodes = Script({"a": 1, "b": 0, "c": 1}, asleep={"b"}), AppNodes()
    grid = grid_of(control, nodes, slots=1)
    assert grid.get_node_ids() == [2, 3, 4]
    result = start(grid, rounds=1)
    grid.finish()
    np.testing.assert_allclose(result.arrays["w"].numpy(), [1.0, 1.0])
    asked = [(m.metadata.message_type, m.metadata.dst_node_id) for m in nodes.seen]
    assert ("train", 3) not in asked
    assert ("evaluate", 3) not in asked
    replies = grid.record.outcomes[0].replies
    assert set(replies.answered) == {"a", "c"}
    assert replies.failed == {}
    grid = grid_of(control)
    (reply,) = grid.send_and_receive([train_message(3)])
    assert reply.error.code == NOT_IN_SLOT
    assert reply.metadata.src_node_id == 3


def test_a_dead_node_is_said_to_be_dead_and_counts_as_unreachable() -> None:
    grid = grid_of(awake(), AppNodes(dead={4}), slots=1)
    replies = grid.send_and_receive([train_message(n) for n in (2, 3, 4)])
    assert [r.error.code for r in replies if r.has_error()] == [NODE_UNAVAILABLE]
    grid.finish()
    assert grid.record.outcomes[0].replies.unreachable == ("c",)


def test_failing_and_silent_nodes_are_told_apart() -> None:
    grid = grid_of(awake(), AppNodes(failing={2}, silent={3}), slots=1)
    assert len(grid.send_and_receive([train_message(n) for n in (2, 3, 4)])) == 2
    grid.finish()
    replies = grid.record.outcomes[0].replies
    assert replies.raised == ("a",)
    assert replies.missing == ("b",)
    assert replies.answered == ("c",)


def test_with_deferral_a_round_lasts_several_slots_and_all_its_nodes_are_aggregated_together() -> None:
    control = Later({})
    grid = grid_of(control, slots=4, window=2)
    result = start(grid, fraction_evaluate=0.0)
    grid.finish()
    np.testing.assert_allclose(result.arrays["w"].numpy(), [2.0, 2.0])
    assert [o.server_round for o in grid.record.outcomes] == [None, 1, None, 2]
    assert [set(o.replies.sent) for o in grid.record.outcomes] == [{"a", "c"}, {"b"}] * 2
    assert set(grid.record.outcomes[1].replies.answered) == {"a", "b", "c"}


def test_nodes_that_the_app_does_not_choose_are_named_as_such() -> None:
    grid = grid_of(awake(), slots=1)
    grid.send_and_receive([train_message(2)])
    grid.finish()
    assert grid.record.outcomes[0].not_asked == ("b", "c")


def test_messages_of_one_round_sent_one_by_one_share_a_slot() -> None:
    control = awake()
    grid = grid_of(control)
    for number in (2, 3, 4):
        grid.send_and_receive([train_message(number, group="1")])
    grid.send_and_receive([train_message(2, group="2")])
    grid.finish()
    assert [call[:2] for call in control.calls] == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
    assert grid.record.outcomes[0].replies.answered == ("a", "b", "c")


def test_pushed_messages_are_answered_when_they_are_pulled() -> None:
    grid = grid_of(Script({"a": 1, "b": 0, "c": 1}))
    ids = grid.push_messages([train_message(2), train_message(3)])
    assert len(set(ids)) == 2
    pulled = grid.pull_messages(ids)
    assert [reply.has_error() for reply in pulled] == [False, True]
    assert grid.pull_messages(ids) == []


def test_more_rounds_than_slots_and_fewer_are_refused_with_what_to_set() -> None:
    with pytest.raises(AppError, match=r"round 3, and all 2 slots.*stages.development"):
        start(grid_of(awake()), rounds=3)
    grid = grid_of(awake(), slots=5)
    start(grid)
    with pytest.raises(AppError, match=r"after 2 rounds, and 3 of 5 slots.*stages.development = 2"):
        grid.finish()


def test_the_apps_own_evaluation_on_the_server_goes_before_that_of_its_nodes() -> None:
    grid = grid_of(awake(), slots=1)
    grid.evaluated(0, {"accuracy": 0.1, "loss": 2.0})
    start(grid, rounds=1)
    grid.evaluated(1, {"accuracy": 0.9})
    grid.finish()
    assert grid.record.initial_evaluations[Stage.DEVELOPMENT].accuracy_fraction == 0.1
    evaluation = grid.record.outcomes[0].evaluation
    assert evaluation is not None
    assert (evaluation.accuracy_fraction, evaluation.loss) == (0.9, None)


def test_a_figure_that_is_not_finite_ends_the_run_and_a_percentage_is_no_accuracy() -> None:
    for wrong in ({"accuracy": float("nan")}, {"eval_loss": float("inf")}):
        with pytest.raises(AppError, match=r"learning ran away: its .* in an evaluation is"):
            grid_of(awake()).evaluated(0, wrong)
    grid = grid_of(awake())
    grid.evaluated(0, {"accuracy": 87.5, "loss": 0.5})
    found = grid.record.initial_evaluations[Stage.DEVELOPMENT]
    assert (found.accuracy_fraction, found.loss) == (None, 0.5)


def test_an_app_that_trains_in_no_round_is_said_to() -> None:
    with pytest.raises(AppError, match="trained in no round"):
        grid_of(awake()).finish()
