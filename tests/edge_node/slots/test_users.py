"""Bytes between a node and users' devices: once each, with the right radio factor, also for offloaded batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from edge_node.slots.link import LocalLink
from edge_node.slots.node import EdgeNode
from edge_node.workload import InferResult, Parameters
from protos.messages.slot import CloseSlot, Decision, Guest, Send, Usage, UserTraffic
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage

MakeNode = Callable[..., EdgeNode]
STAGES = (Stage.PREPARATION, Stage.APPLICATION, Stage.APPLICATION)


def decide(node: str, slot: int, own: int, **changes: Any) -> Decision:
    plain = Decision(node, 1, slot, STAGES[slot], True, own, (), (), 0, 0, 10**9, 10.0)
    return dataclasses.replace(plain, **changes)


def radio(usage: Usage) -> tuple[int, int]:
    """(sent, received) uJ."""
    found = {line.component: line.energy_uj for line in usage.lines}
    return found.get(Component.RADIO_TX, 0), found.get(Component.RADIO_RX, 0)


def test_data_are_received_before_they_are_prepared(make_node: MakeNode, model: Parameters) -> None:
    """6 batches of 5 examples of 20 B: 600 B at 20 uJ."""
    node = make_node(stages=STAGES)
    node.register("boot")
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 0, None))
    node.on_decision(decide("n0", 0, own=6))
    node.execute(model)
    usage = node.close(CloseSlot(1, 0))
    assert usage.users == (UserTraffic("n0", Stage.PREPARATION, 600, 0),)
    assert radio(usage) == (0, 12_000)
    (work, *_) = node.profile().work
    # Planned: 0.1 s at 4 W, and the batch's 100 B received at 20 uJ.
    assert work.request_j == pytest.approx(100 * 2e-5)
    assert work.joules_per_batch == pytest.approx(0.4 + 100 * 2e-5)


def test_a_moved_batch_is_received_by_its_owner_and_answered_by_its_executor(
    make_node: MakeNode, model: Parameters
) -> None:
    """A batch of 5 requests: 30 B asked, 10 B answered; its parcel has 5 * (4 * 4 + 4 + 8 + 8) = 180 B, the model 16 B.

    n0 has two batches, runs one and sends one: it receives 2 * 30 B from users and the model, and sends the parcel and
    the answers to one. n1 receives the parcel, 2 * 30 B of its own users' and the model, and answers three batches.
    """
    owner, executor = make_node(0, stages=STAGES[1:]), make_node(1, stages=STAGES[1:])
    links: dict[str, LocalLink] = {}
    for node in (owner, executor):
        LocalLink(node, links, "boot").register()
        links[node.node_id].receive(Welcome("run", 1, 2.0, 6.0, 0))
    stage = {"stage": Stage.APPLICATION}
    links["n0"].receive(decide("n0", 0, own=1, sends=(Send("n1", "", 1),), **stage))
    links["n1"].receive(decide("n1", 0, own=2, guests=(Guest("n0", 1),), **stage))
    for node in (owner, executor):
        links[node.node_id].wait_ready(0, 1.0)
        node.execute(model)
    sent, received = owner.close(CloseSlot(1, 0)), executor.close(CloseSlot(1, 0))
    assert sent.users == (UserTraffic("n0", Stage.APPLICATION, 60, 10),)
    assert received.users == (
        UserTraffic("n0", Stage.APPLICATION, 0, 10),
        UserTraffic("n1", Stage.APPLICATION, 60, 20),
    )
    assert radio(sent) == ((180 + 10) * 10, (60 + 16) * 20)
    assert radio(received) == (30 * 10, (180 + 60 + 16) * 20)
    # Together what (T1) counts: four batches of 40 B, each bit once.
    bits = sum(part.bits for usage in (sent, received) for part in usage.serving)
    assert bits == 8 * sum(t.up_bytes + t.down_bytes for usage in (sent, received) for t in usage.users)
    assert bits == 4 * 40 * 8


def test_a_task_that_counts_other_bits_than_travelled_is_told(
    make_node: MakeNode, model: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make_node(stages=STAGES[1:])
    node.register("boot")
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 0, None))
    node.on_decision(decide("n0", 0, own=2, stage=Stage.APPLICATION))
    infer = node.workload.infer  # type: ignore[attr-defined]

    def wrong(parameters: Parameters, batches: Any) -> InferResult:
        result = infer(parameters, batches)
        return dataclasses.replace(result, payload_bits=result.payload_bits + 8)

    monkeypatch.setattr(node.workload, "infer", wrong)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="counts 656 bits of requests and answers, 640 travelled"):
        node.execute(model)
