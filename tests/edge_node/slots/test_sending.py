"""Sending of own batches: moved once, or run at home."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.slots import sending as sending_module
from edge_node.slots.errors import NotReady
from edge_node.slots.link import LocalLink
from edge_node.slots.savepoint import Together
from edge_node.slots.sending import Sending
from edge_node.slots.slot import Delivery
from edge_node.workload import Parameters
from protos.messages.parcels import Parcel
from protos.messages.slot import Executed, Guest, Moved, Send
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage
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


def outgoing_of(**changes: Any) -> tuple[Sending, Any, Any, list[Any]]:
    """A parcel to n1 on its way in slot 4, beside one that n2 has; (sending, slot, parcel, what is told of)."""
    told: list[Any] = []
    parcel = Parcel("run", 1, 4, "n0", "n1", (7, 8, 9), (), (1, 1, 1))
    way = SimpleNamespace(parcel=parcel, batches=["b7", "b8", "b9"], delivery=Delivery.PENDING)
    slot = SimpleNamespace(
        slot=4,
        stage=Stage.DEVELOPMENT,
        usage=None,
        outgoing={"n1": way},
        sent={"n1": (2, 50), "n2": (9, 900)},
        own=["b1"],
    )
    vars(slot).update(changes)
    meter = SimpleNamespace(moved=lambda stage, tx_bytes: told.append((stage, tx_bytes)))
    node: Any = SimpleNamespace(current=slot, meter=meter)
    node.savepoint = Together(node)
    market: Any = SimpleNamespace(left=lambda batches: told.append(list(batches)))
    return Sending(node, market), slot, parcel, told


def test_a_delivered_parcel_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    monkeypatch.setattr(sending_module, "payload_bytes", lambda parcel: 10 * len(parcel.batch_ids))
    monkeypatch.setattr(sending_module, "count_requests", lambda *given: counted.append(given))
    sending, slot, parcel, told = outgoing_of()
    for _ in range(2):
        sending.delivered(parcel)
    assert slot.outgoing["n1"].delivery is Delivery.DELIVERED
    assert slot.sent == {"n1": (5, 80), "n2": (9, 900)}
    assert told == [["b7", "b8", "b9"], (Stage.DEVELOPMENT, 30)]
    assert counted == [(sending._node, slot, ["b7", "b8", "b9"])]
    sending, slot, parcel, _ = outgoing_of(sent={})
    sending.delivered(parcel)
    assert slot.sent == {"n1": (3, 30)}


def test_a_failed_parcel_is_run_at_home_once() -> None:
    sending, slot, parcel, told = outgoing_of()
    for _ in range(2):
        sending.failed(parcel)
    assert slot.outgoing["n1"].delivery is Delivery.FAILED
    assert slot.own == ["b1", "b7", "b8", "b9"]
    assert (slot.sent["n1"], told) == ((2, 50), [])


@pytest.mark.parametrize("changes", [{"slot": 5}, {"usage": "read"}, {"outgoing": {}}])
def test_an_outcome_that_comes_too_late_changes_nothing(changes: dict[str, Any]) -> None:
    sending, slot, parcel, told = outgoing_of(**changes)
    sending.delivered(parcel)
    sending.failed(parcel)
    assert (slot.own, slot.sent["n1"], told) == (["b1"], (2, 50), [])
    sending._node.current = None
    sending.delivered(parcel)
    # of a plan that was replaced: the same parcel anew is another
    sending, slot, parcel, told = outgoing_of()
    sending.delivered(dataclasses.replace(parcel))
    assert (slot.outgoing["n1"].delivery, told) == (Delivery.PENDING, [])
