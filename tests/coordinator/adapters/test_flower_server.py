"""A Flower ServerApp that runs the whole schedule of a run: life-cycle stages, slot by slot."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from flwr.app import Context, RecordDict
from flwr.serverapp.strategy import FedAvg

from coordinator.adapters.flower_server import (
    Evaluation,
    LearningTask,
    Link,
    RunPlan,
    RunRecord,
    Schedule,
    Watch,
    build_server_app,
    evaluate_last,
    logging_to,
    stage_runs,
)
from experiments.runs.failure import lost_nodes
from protos.messages.slot import Send
from protos.messages.terms import Stage
from tests.coordinator.adapters.script import Nodes, Script, decided, zeros

NUMBERS = {"a": 2, "b": 3, "c": 4}


def test_the_schedule_runs_all_stages_in_order():
    stages = [Stage.PREPARATION, Stage.DEVELOPMENT, Stage.DEVELOPMENT, Stage.APPLICATION, Stage.RECYCLING]
    control, grid = Script({"a": 1, "b": 1}), Nodes()
    outcomes = []
    developed = []

    def second(model):
        developed.append(model)
        return zeros()

    schedule = Schedule(
        RunPlan(
            stages=stages,
            development=LearningTask(
                FedAvg,
                lambda _: zeros(),
                lambda arrays: Evaluation(1.0, float(arrays["b"].numpy()[0]), 100),
                examples=100,
            ),
            recycling=LearningTask(FedAvg, second),
        ),
        Link(control=control, numbers=NUMBERS),
        Watch(on_slot=outcomes.append),
    )
    build_server_app(schedule)(grid, Context(1, 1, {}, RecordDict(), {}))
    assert [call[1:] for call in control.calls if call[0] == "begin"] == list(enumerate(stages))
    assert [call[3] for call in control.calls if call[0] == "end"] == [0, 200, 100, 0, 0]
    assert [m.metadata.message_type for m in grid.seen[::2]] == [
        "query.prepare",
        "train",
        "train",
        "query.infer",
        "train",
    ]
    assert [o.slot for o in outcomes] == [0, 1, 2, 3, 4]
    assert [o.evaluation.accuracy_fraction if o.evaluation else None for o in outcomes] == [
        None,
        1.0,
        2.0,
        None,
        None,
    ]
    served = next(m for m in grid.seen if m.metadata.message_type == "query.infer")
    assert float(served.content["arrays"]["b"].numpy()[0]) == 2.0
    assert float(developed[0]["b"].numpy()[0]) == 2.0
    assert float(schedule.record.models[Stage.RECYCLING]["b"].numpy()[0]) == 1.0
    assert schedule.record.initial_evaluations[Stage.DEVELOPMENT].accuracy_fraction == 0.0


class Sending(Script):
    """Nodes b and c send all that they have."""

    def begin_slot(self, slot, stage, wait_s):
        plan = super().begin_slot(slot, stage, wait_s)
        sent = {"b": (Send("a", "", 2),), "c": (Send("a", "", 1),)}
        decisions = [replace(each, sends=sent.get(each.node_id, ())) for each in plan.decisions]
        return replace(plan, decisions=tuple(decisions))


def test_a_node_whose_work_was_to_go_to_others_and_that_died_is_lost_to_the_slot():
    """It is asked nothing, so that no answer of it is missing."""

    class Dying(Nodes):
        def send_and_receive(self, messages, *, timeout=None):
            self.dead.add(NUMBERS["b"])
            return super().send_and_receive(messages, timeout=timeout)

    outcomes = []
    schedule = Schedule(
        RunPlan(stages=[Stage.APPLICATION], development=LearningTask(FedAvg, lambda _: zeros())),
        Link(control=Sending({"a": 1, "b": 0, "c": 0}), numbers=NUMBERS),
        Watch(on_slot=outcomes.append),
    )
    build_server_app(schedule)(Dying(), Context(1, 1, {}, RecordDict(), {}))
    (outcome,) = outcomes
    assert (outcome.replies.sent, outcome.replies.unreachable) == (("a",), ("b",))
    assert lost_nodes(outcome) == {"b"}


@pytest.mark.parametrize(
    ("stage", "learns", "asked"),
    [
        (Stage.APPLICATION, False, ("a", "b", "c")),
        (Stage.DEVELOPMENT, False, ("a", "b", "c")),
        (Stage.PREPARATION, True, ("a", "b", "c")),
        (Stage.APPLICATION, True, ("a",)),
        (Stage.DEVELOPMENT, True, ("a",)),
    ],
)
def test_nodes_that_send_all_are_asked_about_what_comes_back_where_no_model_is_sent_for_it(
    stage, learns, asked
):
    outcomes = []
    task = LearningTask(FedAvg, lambda _: zeros())
    plan = RunPlan(stages=[stage], development=task if learns else None)
    link = Link(control=Sending({"a": 1, "b": 0, "c": 0}), numbers=NUMBERS)
    schedule = Schedule(plan, link, Watch(on_slot=outcomes.append))
    grid = Nodes()
    build_server_app(schedule)(grid, Context(1, 1, {}, RecordDict(), {}))
    assert outcomes[0].replies.sent == asked
    assert all(("arrays" in message.content) is plan.brings_model(stage) for message in grid.seen)


def test_recycling_slots_need_a_recycling_task():
    with pytest.raises(ValueError, match="no recycling task"):
        RunPlan(stages=[Stage.RECYCLING], development=LearningTask(FedAvg, lambda _: zeros()))


def test_no_slot_is_of_the_unallocated_stage():
    with pytest.raises(ValueError, match="is no stage of a slot"):
        RunPlan(stages=[Stage.UNALLOCATED], development=LearningTask(FedAvg, lambda _: zeros()))


def test_stage_runs_are_slots_of_one_stage_in_a_row():
    stages = [Stage.PREPARATION, Stage.DEVELOPMENT, Stage.DEVELOPMENT, Stage.APPLICATION]
    assert list(stage_runs(stages)) == [
        (Stage.PREPARATION, [0]),
        (Stage.DEVELOPMENT, [1, 2]),
        (Stage.APPLICATION, [3]),
    ]


class Counting(FedAvg):
    """A strategy with a state of its own."""

    def __init__(self):
        super().__init__()
        self.rounds = []

    def configure_train(self, server_round, arrays, config, grid):
        self.rounds.append(server_round)
        return super().configure_train(server_round, arrays, config, grid)


def test_a_schedule_that_goes_on_ends_as_the_whole_one():
    """Model, strategy's state, evaluations and rounds: from every slot on."""
    stages = [Stage.DEVELOPMENT] * 4

    def run(first_slot, before, rounds):
        strategies = []

        def strategy():
            strategies.append(Counting())
            return strategies[-1]

        def recall(stage, fresh):
            assert stage is Stage.DEVELOPMENT
            fresh.rounds = list(rounds)

        record, booked = RunRecord(), []
        if before is not None:
            record.outcomes, record.models = before.record.outcomes[:first_slot], dict(before.models)
            record.initial_evaluations = dict(before.record.initial_evaluations)
        task = LearningTask(
            strategy,
            lambda _: zeros(),
            lambda arrays: Evaluation(1.0, float(arrays["b"].numpy()[0]), 100),
            examples=100,
        )
        plan = RunPlan(stages=stages, development=task, first_slot=first_slot, recall=recall)
        control = Script({"a": 1, "b": 1})
        link = Link(control=control, numbers=NUMBERS)
        schedule = Schedule(plan, link, Watch(on_booked=booked.append), record)
        evaluate_last(plan, record)
        build_server_app(schedule)(Nodes(), Context(1, 1, {}, RecordDict(), {}))
        return schedule.record, booked, strategies[-1].rounds, [c[3] for c in control.calls if c[0] == "end"]

    whole, booked, rounds, examples = run(0, None, ())
    assert rounds == [1, 2, 3, 4]
    assert examples == [200, 100, 100, 100]
    for slot in (1, 2, 3):
        at = booked[slot - 1]
        found, later, done, ended = run(slot, at, rounds[:slot])
        assert done == rounds
        assert ended == examples[slot:]
        assert [o.server_round for o in found.outcomes] == [1, 2, 3, 4]
        assert [o.evaluation for o in found.outcomes] == [o.evaluation for o in whole.outcomes]
        assert found.initial_evaluations == whole.initial_evaluations
        assert found.models[Stage.DEVELOPMENT]["b"].numpy() == whole.models[Stage.DEVELOPMENT]["b"].numpy()
        assert len(later) == 4 - slot


def test_an_evaluation_that_was_broken_off_is_done_again():
    task = LearningTask(FedAvg, lambda _: zeros(), lambda _: Evaluation(2.0, 0.5, 100), examples=100)
    plan = RunPlan(stages=[Stage.DEVELOPMENT] * 2, development=task)
    assert plan.round_of(1) == (2, 2)
    control = Script({"a": 1})
    schedule = Schedule(plan, Link(control=control, numbers=NUMBERS))
    build_server_app(schedule)(Nodes(), Context(1, 1, {}, RecordDict(), {}))
    record = schedule.record
    record.outcomes[-1] = replace(record.outcomes[-1], evaluation=None)
    evaluate_last(plan, record)
    assert record.outcomes[-1].evaluation == Evaluation(2.0, 0.5, 100)


def test_flowers_log_goes_to_the_file(tmp_path, capfd):
    flower = logging.getLogger("flwr")
    before = list(flower.handlers), flower.propagate
    with logging_to(tmp_path / "flower.log"):
        decided(Script({"a": 1})).start(Nodes(), zeros(), num_rounds=1)
        assert "[ROUND 1/1]" in (tmp_path / "flower.log").read_text()
    captured = capfd.readouterr()
    assert "ROUND" not in captured.out + captured.err
    assert (flower.handlers, flower.propagate) == before


def test_a_removed_folder_stops_no_round(tmp_path):
    with logging_to(tmp_path / "removed" / "flower.log"):
        decided(Script({"a": 1})).start(Nodes(), zeros(), num_rounds=1)
