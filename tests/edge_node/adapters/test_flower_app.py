"""The mod around a user's ClientApp: the slot is guarded, the work metered, the app sees its own message."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict

from edge_node.adapters.flower_app import AppAnswerError, slot_mod
from edge_node.adapters.flower_private import bind_identity, stamp
from edge_node.slots.errors import NotReady, NoWork
from protos.flower_names import NOT_IN_SLOT, SLOT


class Learned:
    def __init__(self):
        self.observed, self.app = [], SimpleNamespace(batches=None)

    def flop(self, seconds, *, batches):
        return 100.0 * batches if batches else 10.0

    def observe(self, flop, model_bytes):
        self.observed.append((flop, model_bytes))


class Node:
    def __init__(self, error=None):
        self.learned, self.error, self.results, self.besides = Learned(), error, [], []

    def execute(self, parameters, options=None, job=None):
        if self.error is not None:
            raise self.error
        if self.results:
            return self.results[0]
        self.results.append(job(1))
        return self.results[0]

    def beside(self, job):
        self.besides.append(job())


class Link:
    def __init__(self, error=None):
        self.node, self.waited = Node(error), []

    def wait_ready(self, slot, deadline_s):
        self.waited.append((slot, deadline_s))


def context():
    return Context(1, 2, {"partition-id": 0}, RecordDict(), {})


def asked(slot=None, kind="train"):
    bind_identity(1)
    content = RecordDict({"arrays": ArrayRecord([np.zeros(3)]), "config": ConfigRecord({"lr": 0.5})})
    if slot is not None:
        content[SLOT] = ConfigRecord({"slot": slot, "deadline-s": 5.0})
    message = Message(content, 2, kind)
    stamp(message)
    return message


def app(message, context):
    assert SLOT not in message.content
    metrics = MetricRecord({"num-examples": 7, "train_loss": 1.5})
    return Message(RecordDict({"w": message.content["arrays"], "m": metrics}), reply_to=message)


def test_a_training_message_is_the_nodes_batch_of_its_slot() -> None:
    link = Link()
    reply = slot_mod(asked(slot=3), context(), app, link)
    assert reply.content["w"]["0"].dtype == "float64"
    assert link.waited == [(3, 5.0)]
    (result,) = link.node.results
    assert (result.num_examples, result.mean_loss, result.flop, result.batches) == (7, 1.5, 100.0, 1)
    ((flop, model_bytes),) = link.node.learned.observed
    assert flop == 100.0
    assert model_bytes >= 24
    assert link.node.besides == []


def test_a_second_training_message_in_the_slot_is_metered_beside_its_batch() -> None:
    link = Link()
    slot_mod(asked(slot=3), context(), app, link)
    assert not slot_mod(asked(slot=3), context(), app, link).has_error()
    assert [done.flop for done in link.node.besides] == [10.0]


def test_other_messages_are_metered_beside_the_batch() -> None:
    link = Link()
    slot_mod(asked(kind="evaluate"), context(), app, link)
    (done,) = link.node.besides
    assert done.received_bytes == done.sent_bytes >= 24
    assert link.node.results == []


@pytest.mark.parametrize("error", [NoWork("nothing to run"), NotReady("asleep")])
def test_what_the_slot_does_not_allow_is_a_typed_error(error) -> None:
    reply = slot_mod(asked(slot=0), context(), app, Link(error))
    assert reply.error.code == NOT_IN_SLOT


def test_an_error_that_a_mod_addresses_to_the_answer_is_the_answer() -> None:
    """Nobody would receive it: the round waited for its timeout."""
    message = asked(kind="evaluate")

    def with_mod(asked, context):
        return Message(Error(7, "one ArrayRecord is needed"), reply_to=app(asked, context))

    reply = slot_mod(message, context(), with_mod, Link())
    assert (reply.error.code, reply.error.reason) == (7, "one ArrayRecord is needed")
    assert reply.metadata.reply_to_message_id == message.metadata.message_id


def test_an_answer_to_another_message_is_none() -> None:
    with pytest.raises(AppAnswerError, match="no reply to that message: make it with Message"):
        slot_mod(asked(slot=0), context(), lambda m, c: app(asked(), c), Link())


def test_an_error_of_the_app_is_its_answer_and_its_work_is_no_result() -> None:
    link = Link()
    reply = slot_mod(asked(slot=0), context(), lambda m, c: Message(Error(6, "mod"), reply_to=m), link)
    assert reply.error.code == 6
    assert link.node.results == []


def test_flowers_own_mods_compose_outside_of_ours() -> None:
    link = Link()
    around = SimpleNamespace(calls=0)

    def mod(message, context, call_next):
        around.calls += 1
        return call_next(message, context)

    reply = mod(asked(slot=0), context(), lambda m, c: slot_mod(m, c, app, link))
    assert not reply.has_error()
    assert around.calls == 1


def leave(message, context):
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("broken", "said"),
    [(lambda m, c: None, "returned a NoneType; a Message is needed"), (leave, r"called sys\.exit\(3\)")],
)
@pytest.mark.parametrize("slot", [0, None])
def test_an_app_that_gives_no_answer_is_named_and_ends_no_process(broken, said, slot) -> None:
    link = Link()
    with pytest.raises(AppAnswerError, match=said):
        slot_mod(asked(slot=slot), context(), broken, link)
    assert link.node.results == []


def test_a_divisible_app_is_told_its_batches_and_tells_how_many_it_ran() -> None:
    link, told = Link(), []
    link.node.learned.app.batches = 8
    link.node.execute = lambda parameters, job: link.node.results.append(job(5))

    def divisible(ran):
        def answer(message, context):
            told.append(message.content["config"]["batches"])
            assert message.content["config"]["lr"] == 0.5
            metrics = {"num-examples": 7, **({} if ran is None else {"batches": ran})}
            return Message(RecordDict({"m": MetricRecord(metrics)}), reply_to=message)

        return answer

    slot_mod(asked(slot=0), context(), divisible(3), link)
    assert told == [5]
    (result,) = link.node.results
    assert (result.batches, result.flop) == (3, 300.0)
    assert link.node.learned.observed[0][0] == 100.0, "of one batch"
    for wrong in (None, 6, -1, 2.5):
        with pytest.raises(AppAnswerError, match="0 to 5 here; it told"):
            slot_mod(asked(slot=0), context(), divisible(wrong), link)
