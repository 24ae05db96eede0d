from __future__ import annotations

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from experiments.fleet.inprocess import InProcessFleet


def train_messages(grid, group="slot-0", nodes=None, **config):
    arrays = ArrayRecord([np.arange(6, dtype=np.float32).reshape(2, 3)])
    return [
        Message(
            RecordDict({"arrays": arrays, "config": ConfigRecord(config)}),
            dst_node_id=number,
            message_type="train",
            group_id=group,
        )
        for number in (grid.get_node_ids() if nodes is None else nodes)
    ]


@pytest.fixture
def fleet(echo, node_configs):
    with InProcessFleet() as fleet:
        fleet.reset(node_configs(3), builder=echo)
        yield fleet


def test_every_node_answers_with_what_it_was_sent(fleet):
    replies = fleet.grid.send_and_receive(train_messages(fleet.grid))
    assert [reply.metadata.src_node_id for reply in replies] == [2, 3, 4]
    for reply in replies:
        (array,) = reply.content["arrays"].to_numpy_ndarrays()
        np.testing.assert_array_equal(array, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_a_client_app_cannot_reach_the_senders_records(fleet):
    messages = train_messages(fleet.grid, meddle="n1")
    fleet.grid.send_and_receive(messages)
    assert all("config" in message.content for message in messages)


def test_an_exception_of_the_client_app_is_an_error_reply(fleet):
    replies = fleet.grid.send_and_receive(train_messages(fleet.grid, fail="n1"))
    errors = [reply.error.reason for reply in replies if reply.has_error()]
    assert len(errors) == 1
    assert errors[0].startswith("n1: RuntimeError: told to fail (at ")
    assert "echo_nodes.py:" in errors[0]


def test_the_same_round_sent_again_is_answered_and_not_executed_again(fleet):
    first = fleet.grid.send_and_receive(train_messages(fleet.grid, group="slot-1"))
    again = fleet.grid.send_and_receive(train_messages(fleet.grid, group="slot-1"))
    assert [r.content["metrics"]["runs"] for r in first] == [1, 1, 1]
    assert [r.content["metrics"]["runs"] for r in again] == [1, 1, 1]
    later = fleet.grid.send_and_receive(train_messages(fleet.grid, group="slot-2"))
    assert [r.content["metrics"]["runs"] for r in later] == [2, 2, 2]


def test_a_lost_node_answers_with_an_error_and_is_no_longer_listed(fleet):
    fleet.grid.lose(3)
    replies = fleet.grid.send_and_receive(train_messages(fleet.grid, nodes=[2, 3, 4]))
    assert [reply.has_error() for reply in replies] == [False, True, False]
    assert fleet.grid.get_node_ids() == [2, 4]
    assert set(fleet.pids()) == {"n0", "n2"}


def test_a_message_to_an_unknown_node_is_refused(fleet):
    with pytest.raises(ValueError, match="no node 99"):
        fleet.grid.push_messages(train_messages(fleet.grid, nodes=[99]))


def test_reset_hosts_new_nodes(fleet, echo, node_configs):
    fleet.grid.send_and_receive(train_messages(fleet.grid))
    grid = fleet.reset(node_configs(2, run_id="other"), builder=echo)
    replies = grid.send_and_receive(train_messages(grid))
    assert [reply.content["metrics"]["runs"] for reply in replies] == [1, 1]
