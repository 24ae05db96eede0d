"""Answers of the testbed's tasks to outside clients: classes of images, continuations of texts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_node.config import NodeConfig
from edge_node.serving.answers import TaskAnswers
from edge_node.serving.port import Answered
from edge_node.slots.node import EdgeNode
from edge_node.workload import Arrays, Parameters
from protos.messages.slot import CloseSlot, EnergyGrant
from protos.messages.terms import Component, Stage
from tests.edge_node.application_slot import advance, energies, images

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


def test_answers_between_two_slots_are_booked_in_the_next(
    node: EdgeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, answer = threading.Event(), TaskAnswers.answer

    def tell(self: TaskAnswers, parameters: Parameters, arrays: Arrays) -> Answered:
        try:
            return answer(self, parameters, arrays)
        finally:
            answered.set()

    monkeypatch.setattr(TaskAnswers, "answer", tell)
    first = node.close(CloseSlot(1, 1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(node.answer, images(4))
        assert answered.wait(60)
        node.on_grant(EnergyGrant("n0", 1, 1, 0, 0))
        assert len(waiting.result(60).arrays["classes"]) == 4
    second = advance(node, 2, work=False)
    assert first.outside is None
    assert second.outside is not None
    assert second.outside.requests == 4
    assert energies(second, Stage.APPLICATION)[Component.COMPUTE] > 0
