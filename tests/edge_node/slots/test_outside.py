"""Outside clients: what one answer costs and counts, whole, without a network."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from edge_node.meters.base import Slot
from edge_node.meters.registry import build_meter
from edge_node.serving.port import Answered
from edge_node.slots.errors import NoModel
from edge_node.slots.outbox import MemoryOutbox
from edge_node.slots.outside import OutsideClients
from edge_node.slots.state import NodeState
from edge_node.workload import BatchWork, InferResult
from protos.messages.slot import UserTraffic
from protos.messages.terms import Component, Stage
from tests.edge_node.slots.steps import MakeNode

ASKED = {"x": np.zeros(30, dtype=np.uint8)}
RESULT = InferResult(4, 320, 3, 1, 2e5, input_tokens=9, output_tokens=7, decode_flop=5e4, decode_s=0.001)


class Canned:
    """Answers of ten bytes at a known cost; remembers what it was asked with."""

    fails = False

    def check(self, arrays: Any) -> None:
        if "x" not in arrays:
            raise ValueError("no x")

    def answer(self, model: Any, arrays: Any) -> Answered:
        if self.fails:
            raise OSError("board")
        self.given = model, arrays
        return Answered({"y": np.zeros(10, dtype=np.uint8)}, RESULT)


class Fixture:
    def __init__(self, make_node: MakeNode, answers: Any) -> None:
        node = make_node(stages=(Stage.DEVELOPMENT, Stage.APPLICATION))
        config = node.config
        self.meter = build_meter(config.meter, config.board, config.slot_s)
        workloads = dict.fromkeys(config.stages, node.workload)
        self.state = NodeState(config, workloads, self.meter, MemoryOutbox(), ())
        self.lock = threading.RLock()
        self.clients = OutsideClients(self.state, answers, self.lock, threading.Lock())

    def open(self) -> None:
        """Slot 0 begins, as the node opens it: under its lock."""
        with self.lock:
            self.state.open(0)


def test_an_answer_is_booked_whole_in_the_slot_that_runs(make_node: MakeNode) -> None:
    """2e5 operations on a board of 1e6 a second: 0.2 s, of it 0.05 s for the tokens; 4 W above rest: 0.8 J, and 2 W at
    rest: 0.4 J. 30 B are received at 20 uJ and 10 B sent at 10 uJ."""
    answers = Canned()
    made = Fixture(make_node, answers)
    made.open()
    model = {"w": np.ones(2)}
    made.clients.model = model
    seen: list[BatchWork] = []
    timed = made.state.serving.service
    made.state.serving.service = lambda work: timed(seen.append(work) or work)
    begun = time.perf_counter()
    answered = made.clients.answer(ASKED, waited_s=[0.5, 1.5, 2.5, 30.0])
    took_s = time.perf_counter() - begun
    assert answered.result is RESULT
    assert answers.given == (model, ASKED)
    (work,) = seen
    assert (work.flop, work.decode_flop) == (2e5, 5e4)
    assert 0.0 <= work.seconds <= took_s
    assert work.decode_s == min(work.seconds, 0.001)
    slot = made.state.require_current()
    told = made.state.serving.report(slot.outside)
    assert told is not None
    assert (told.service, told.requests, told.tokens_in, told.tokens_out, told.bits) == (
        "linear",
        4,
        9,
        7,
        320,
    )
    assert (told.prefill_s, told.decode_s) == pytest.approx((0.15, 0.05))
    assert told.latency_p50_s is not None
    assert 1.5 <= told.latency_p50_s < 2.6 + took_s
    assert slot.user_traffic() == (UserTraffic("n0", Stage.APPLICATION, 30, 10, True),)
    lines = {
        line.component: line.energy_uj
        for line in made.meter.close(Slot(0, Stage.DEVELOPMENT, True, False))
        if line.stage is Stage.APPLICATION
    }
    assert lines == {
        Component.COMPUTE: 800_000,
        Component.STATIC: 400_000,
        Component.RADIO_TX: 100,
        Component.RADIO_RX: 600,
    }


def test_what_cannot_be_answered_says_why(make_node: MakeNode) -> None:
    closed = Fixture(make_node, None)
    with pytest.raises(NoModel, match=r"^n0 answers no outside clients$"):
        closed.clients.check(ASKED)
    made = Fixture(make_node, Canned())
    made.open()
    with pytest.raises(NoModel, match=r"^n0 has no global model yet; it comes with the first round$"):
        made.clients.answer(ASKED)
    made.clients.model = {}
    made.clients.check(ASKED)
    with pytest.raises(ValueError, match="no x"):
        made.clients.check({})
    over = Fixture(make_node, Canned())
    over.clients.model = {}
    with pytest.raises(NoModel, match=r"^the run run is over$"):
        over.clients.check(ASKED)


def test_an_answer_that_fails_is_waste_and_is_counted_nowhere(make_node: MakeNode) -> None:
    answers = Canned()
    answers.fails = True
    made = Fixture(make_node, answers)
    made.open()
    made.clients.model = {}
    with pytest.raises(OSError, match="board"):
        made.clients.answer(ASKED)
    slot = made.state.require_current()
    assert made.state.serving.report(slot.outside) is None
    assert slot.user_traffic() == ()
