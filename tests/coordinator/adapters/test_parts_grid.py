"""Rounds as conversations: who is asked what, and what becomes of nodes and servers that fail."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from coordinator.adapters.parts_grid import LOWER, UPPER, Division, PartsGrid
from edge_node.adapters.flower_private import bind_identity, stamp
from protos.flower_names import ARRAYS, CONFIG, METRICS
from tests.coordinator.adapters.script import NUMBERS, Nodes

MODEL = ArrayRecord({"low": Array(np.zeros(2, np.float32)), "high": Array(np.ones(2, np.float32))})
NAMES = {number: name for name, number in NUMBERS.items()}
DIVISION = Division(
    server="a",
    lower=lambda arrays, _: ArrayRecord({"low": arrays["low"]}),
    upper=lambda arrays: ArrayRecord({"high": arrays["high"]}),
)


class Talkers(Nodes):
    """Nodes that send twice and then finish; the server answers each with what it sent, plus one."""

    def __init__(self, refuses=(), **others):
        super().__init__(**others)
        self.refuses, self.kinds, self.steps = set(refuses), [], dict.fromkeys(NAMES, 0)

    def send_and_receive(self, messages, *, timeout=None):
        self.timeouts.append(timeout)
        replies = []
        for message in messages:
            stamp(message)
            number, kind = message.metadata.dst_node_id, message.metadata.message_type
            self.kinds.append((kind, NAMES[number], message.metadata.group_id))
            if number in self.silent and kind == LOWER:
                continue
            if number in self.failing and kind == LOWER:
                replies.append(Message(Error(2, "broke"), reply_to=message))
                continue
            replies.append(self.lower(message) if kind == LOWER else self.upper(message))
        return replies

    def lower(self, message):
        number, config = message.metadata.dst_node_id, message.content[CONFIG]
        assert (config["do"] == "begin") == (self.steps[number] == 0)
        self.steps[number] += 1
        last = self.steps[number] == 3
        metrics = {"done": int(last), **({"num-examples": 5, "loss": 0.5} if last else {})}
        arrays = ArrayRecord({"low" if last else "x": Array(np.full(2, float(number), np.float32))})
        content = RecordDict({METRICS: MetricRecord(metrics), ARRAYS: arrays})
        return Message(content, reply_to=message)

    def upper(self, message):
        do, records = message.content[CONFIG]["do"], message.content.array_records
        if do in self.refuses:
            return Message(Error(2, "a: MisalignedError: other examples"), reply_to=message)
        if do == "begin":
            assert list(records[ARRAYS]) == ["high"]
            self.served = list(message.content[CONFIG]["nodes"])
            return Message(RecordDict(), reply_to=message)
        given = dict.fromkeys(self.served) if do == "end" else records
        name = "high" if do == "end" else "g"
        content = RecordDict({node: ArrayRecord({name: Array(np.full(2, 9, np.float32))}) for node in given})
        return Message(content, reply_to=message)


def asked(names="abc", **options):
    bind_identity(1)
    config = {"slot": 4, "deadline-s": 5.0, "batches": 2, "epoch": 1, "stage": "development", **options}
    return [
        Message(
            RecordDict({ARRAYS: MODEL, CONFIG: ConfigRecord(config)}),
            dst_node_id=NUMBERS[name],
            message_type="train",
            group_id="slot-4",
        )
        for name in names
    ]


def test_a_strategy_gets_whole_models_in_their_order() -> None:
    nodes = Talkers()
    replies = PartsGrid(nodes, DIVISION, NAMES).send_and_receive(asked(), timeout=10.0)
    assert {NAMES[reply.metadata.src_node_id] for reply in replies} == {"a", "b", "c"}
    for reply in replies:
        arrays = reply.content[ARRAYS]
        assert list(arrays) == ["low", "high"]
        assert arrays["low"].numpy()[0] == reply.metadata.src_node_id
        assert arrays["high"].numpy()[0] == 9
        assert dict(reply.content[METRICS]) == {"num-examples": 5, "loss": 0.5}
    steps = [(kind, name) for kind, name, _ in nodes.kinds]
    assert steps.count((UPPER, "a")) == 4  # begin, two answers, end
    assert steps.count((LOWER, "b")) == 3
    assert all(left <= 10.0 for left in nodes.timeouts)


def test_every_step_of_a_node_is_a_message_of_its_own() -> None:
    nodes = Talkers()
    PartsGrid(nodes, DIVISION, NAMES).send_and_receive(asked())
    assert len(set(nodes.kinds)) == len(nodes.kinds)


def test_other_messages_pass() -> None:
    nodes = Nodes()
    message = Message(RecordDict(), dst_node_id=2, message_type="query.prepare")
    grid = PartsGrid(nodes, DIVISION, NAMES)
    with pytest.raises(KeyError):  # the scripted nodes read a model that this message lacks
        grid.send_and_receive([message])
    assert nodes.seen == [message]


def test_a_node_that_fails_drops_out_and_the_others_go_on() -> None:
    nodes = Talkers(failing={NUMBERS["b"]})
    replies = PartsGrid(nodes, DIVISION, NAMES).send_and_receive(asked())
    found = {NAMES[reply.metadata.src_node_id]: reply.has_error() for reply in replies}
    assert found == {"a": False, "b": True, "c": False}


def test_a_silent_node_is_missing_as_on_any_grid() -> None:
    replies = PartsGrid(Talkers(silent={NUMBERS["c"]}), DIVISION, NAMES).send_and_receive(
        asked(), timeout=1.0
    )
    assert {NAMES[reply.metadata.src_node_id] for reply in replies} == {"a", "b"}


@pytest.mark.parametrize("when", ["begin", "answer", "end"])
def test_where_the_server_refuses_no_node_has_learned(when) -> None:
    replies = PartsGrid(Talkers(refuses={when}), DIVISION, NAMES).send_and_receive(asked())
    assert len(replies) == 3
    assert all("MisalignedError" in reply.error.reason for reply in replies)


def test_nodes_with_other_options_are_refused() -> None:
    messages = [*asked("a", **{"proximal-mu": 0.1}), *asked("b", **{"proximal-mu": 0.2})]
    with pytest.raises(ValueError, match="other training options"):
        PartsGrid(Talkers(), DIVISION, NAMES).send_and_receive(messages)
