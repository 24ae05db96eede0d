"""Sending of own batches: moved once, or run at home."""

from __future__ import annotations

import pytest

from edge_node.slots.errors import NotReady
from edge_node.slots.link import LocalLink
from edge_node.workload import Parameters
from protos.messages.slot import Executed, Guest, Moved, Send
from protos.messages.stream import Welcome
from protos.messages.terms import Component
from tests.edge_node.slots.steps import BATCH_BYTES, MakeNode, decide, energies, finish, welcome


def test_own_and_offloaded_batches_really_move(make_node: MakeNode, model: Parameters) -> None:
    owner, executor = make_node(0), make_node(1)
    links: dict[str, LocalLink] = {}
    for node in (owner, executor):
        LocalLink(node, links, "boot").register()
        links[node.node_id].receive(Welcome("run", 1, 2.0, 6.0, 0))
    # The owner gets its decision first: its batches arrive before the executor's own decision.
    assert links["n0"].receive(decide("n0", 0, own=4, sends=(Send("n1", "", 2),))) == []
    assert links["n1"].receive(decide("n1", 0, own=6, guests=(Guest("n0", 2),))) == []
    for node in (owner, executor):
        links[node.node_id].wait_ready(0, 1.0)
        node.execute(model)
    assert executor.workload.trained == [1_000, 1_001, 1_002, 1_003, 1_004, 1_005, 4, 5]
    assert owner.workload.trained == [0, 1, 2, 3]
    sent, _ = finish(owner, 0)
    received, _ = finish(executor, 0)
    assert sent.moved == (Moved("n1", True, 2, 2 * BATCH_BYTES),)
    assert received.moved == (Moved("n0", False, 2, 2 * BATCH_BYTES),)
    assert received.executed == (Executed("n0", 2), Executed("n1", 6))
    assert energies(sent)[Component.RADIO_TX] == (2 * BATCH_BYTES + 16) * 10
    assert energies(received)[Component.RADIO_RX] == (2 * BATCH_BYTES + 16) * 20


def test_batches_of_a_failed_parcel_are_run_at_home(make_node: MakeNode, model: Parameters) -> None:
    node = make_node()
    welcome(node)
    parcels = node.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    with pytest.raises(NotReady, match="no answer from n1"):
        node.execute(model)
    node.parcel_failed(parcels[0])
    node.execute(model)
    assert node.workload.trained == [0, 1, 2, 3, 4, 5]
    usage, _ = finish(node, 0)
    assert usage.moved == ()
    assert usage.executed == (Executed("n0", 6),)
