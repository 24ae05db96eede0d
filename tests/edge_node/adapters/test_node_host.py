"""Nodes of one process and their ClientApp: each message of a round is carried out once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from edge_node.adapters.flower_private import stamp
from edge_node.adapters.node_host import NodeHost, load_builder
from edge_node.config import NodeConfig, NodeMemory


class Counting:
    """Says how often it ran; fails when told to."""

    infer_address = peer_address = ""

    def __init__(self, configs: Sequence[NodeConfig]) -> None:
        self.client_app, self.runs, self.closed = ClientApp(), 0, False

        @self.client_app.query()
        def query(message: Message, context: Any) -> Message:
            self.runs += 1
            if "fail" in message.content:
                raise RuntimeError("told to fail")
            return Message(RecordDict({"metrics": MetricRecord({"runs": self.runs})}), reply_to=message)

    def memories(self) -> dict[str, NodeMemory]:
        return {}

    def close(self) -> None:
        self.closed = True


def asked(group: str, content: RecordDict | None = None) -> Message:
    message = Message(content or RecordDict(), 2, "query", group_id=group)
    stamp(message)
    return message


def test_a_message_sent_again_is_answered_from_memory(make_config: Callable[..., Any]) -> None:
    host = NodeHost([make_config(0)], {"n0": 2}, 7, Counting)
    first, again, later = (asked(group) for group in ("slot-1", "slot-1", "slot-2"))
    answers = [host.handle(message) for message in (first, again, later)]
    assert [answer.content["metrics"]["runs"] for answer in answers] == [1, 1, 2]
    assert answers[1].metadata.reply_to_message_id == again.metadata.message_id
    host.close()
    assert host.hosted.closed


def test_code_that_raises_is_an_error_reply_with_the_place(make_config: Callable[..., Any]) -> None:
    host = NodeHost([make_config(0)], {"n0": 2}, 7, Counting)
    answer = host.handle(asked("slot-1", RecordDict({"fail": MetricRecord({"x": 1.0})})))
    assert answer.has_error()
    assert "n0: RuntimeError: told to fail (at " in answer.error.reason


def test_an_unknown_builder_is_named() -> None:
    with pytest.raises(ValueError, match="no_such:thing"):
        load_builder("no_such:thing")
