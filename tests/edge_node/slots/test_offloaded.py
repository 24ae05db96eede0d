"""Batches of other nodes: checked, counted once, within the storage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from edge_node.meters.registry import build_meter
from edge_node.slots.node import EdgeNode
from edge_node.slots.parcels import pack
from edge_node.workload import Parameters
from protos.messages.parcels import Parcel, Receipt, payload_bytes
from protos.messages.slot import CloseSlot, Executed, Guest, Moved, Send
from protos.messages.stream import Ack, Welcome
from protos.messages.terms import Component, Stage
from tests.edge_node.slots.steps import BATCH_BYTES, MakeNode, decide, finish, welcome
from tests.edge_node.two_services import MODEL, SERVED, Images, Words, inference, two_services


def test_parcels_are_checked_before_they_are_taken(make_node: MakeNode) -> None:
    owner, executor = make_node(0), make_node(1)
    for node in (owner, executor):
        welcome(node)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    executor.on_decision(decide("n1", 0, own=1, guests=(Guest("n0", 2),)))
    swapped = dataclasses.replace(parcel, executor="n2")
    foreign = dataclasses.replace(parcel, run_id="other")
    future = dataclasses.replace(parcel, slot=5)
    uninvited = dataclasses.replace(parcel, owner="n7")
    wrong = dataclasses.replace(
        parcel, tensors=tuple(dataclasses.replace(t, name=f"z{t.name}") for t in parcel.tensors)
    )
    for bad in (swapped, foreign, future, uninvited, wrong):
        receipt = executor.on_parcel(bad)
        assert not receipt.accepted
        assert receipt.reason
    first, again = executor.on_parcel(parcel), executor.on_parcel(parcel)
    assert first == again
    assert first.accepted
    assert executor.close(CloseSlot(1, 0)).moved == (Moved("n0", False, 2, 2 * BATCH_BYTES),)


def test_storage_for_offloaded_batches_is_a_limit(
    make_node: MakeNode, make_config: Callable[..., Any]
) -> None:
    board = make_config(0).board.model_copy(update={"storage_bytes": 2 * BATCH_BYTES - 1})
    owner, executor = make_node(0), make_node(1, board=board)
    for node in (owner, executor):
        welcome(node)
    (parcel,) = owner.on_decision(decide("n0", 0, own=4, sends=(Send("n1", "", 2),)))
    assert "full" in executor.on_parcel(parcel).reason
    early = dataclasses.replace(parcel, slot=1)
    assert "full" in executor.on_parcel(early).reason


Packed = Callable[..., Parcel]


@pytest.fixture
def packed(make_node: MakeNode) -> Packed:
    """``packed(**changes)``: a parcel with batches of n0's workload, for n1 where nothing else is said."""
    workload = make_node(0).workload

    def make(
        slot: int = 0, owner: str = "n0", ids: tuple[int, ...] = (4, 5), executor: str = "n1", **changes: Any
    ) -> Parcel:
        batches = [workload.batch(k, Stage.DEVELOPMENT) for k in ids]
        made = pack(
            run_id="run", epoch=1, slot=slot, owner=owner, executor=executor, batch_ids=ids, batches=batches
        )
        return dataclasses.replace(made, **changes)

    return make


def test_every_receipt_says_what_was_taken_or_why_nothing_was(
    make_node: MakeNode, packed: Packed, model: Parameters
) -> None:
    """Receipts whole, from before the first Welcome until the slot's work has begun."""
    node = make_node(1)
    assert node.on_parcel(packed()) == Receipt(False, 0, "the node is in slot -1")
    welcome(node, slot=1)
    for foreign in (packed(slot=1, executor="n2"), packed(slot=1, run_id="other")):
        assert node.on_parcel(foreign) == Receipt(False, 0, "this is n1 of run run")
    for slot in (0, 3):
        assert node.on_parcel(packed(slot=slot)) == Receipt(False, 0, "the node is in slot 1")
    node.on_decision(decide("n1", 1, own=1, guests=(Guest("n0", 2), Guest("n3", 1))))
    many = Receipt(False, 0, "2 batches of n0 are expected in slot 1")
    assert node.on_parcel(packed(slot=1, ids=(4, 5, 6))) == many
    assert node.on_parcel(packed(slot=1, owner="n7", ids=(4,))) == Receipt(
        False, 0, "0 batches of n7 are expected in slot 1"
    )
    asked, batch = [], node.workload.batch
    node.workload.batch = lambda number, stage: (asked.append(stage), batch(number, stage))[1]
    (first, *others) = packed(slot=1).tensors
    wrong = packed(slot=1, tensors=(dataclasses.replace(first, name="z"), *others))
    held = [tensor.name for tensor in wrong.tensors]
    assert node.on_parcel(wrong) == Receipt(
        False, 0, f"parcel holds {held}; the task's batches hold ['key', 'x', 'y']"
    )
    taken = Receipt(True, 2 * BATCH_BYTES)
    assert node.on_parcel(packed(slot=1)) == taken
    assert asked == ["development"], "one batch shows how all of a stage look"
    assert node.on_parcel(packed(slot=1)) == taken, "a repeat"
    served = packed(slot=1, ids=(6, 7), batch_services=(1, 1))
    served = dataclasses.replace(
        served, tensors=tuple(dataclasses.replace(t, name=f"1:{t.name}") for t in served.tensors)
    )
    assert node.on_parcel(served) == Receipt(
        False, 0, "service 1 in the development stage; only the application stage has several"
    )
    assert node.give_up_missing(1) == ("n3",)
    late = Receipt(False, 0, "too late for slot 1: its work has begun")
    assert node.on_parcel(packed(slot=1, owner="n3", ids=(4,))) == late
    node.execute(model)
    assert node.on_parcel(packed(slot=1, ids=(6, 7))) == late
    assert node.on_parcel(packed(slot=1)) == taken, "also after the work, a repeat is no new parcel"
    assert node.close(CloseSlot(1, 1)).moved == (Moved("n0", False, 2, 2 * BATCH_BYTES),)


def test_another_parcel_of_an_owner_takes_the_place_of_the_first_and_both_came_over_the_radio(
    make_node: MakeNode, make_config: Callable[..., Any], packed: Packed, model: Parameters
) -> None:
    """Room for three batches: the owner's two and another's one. What replaces the two takes their room."""
    board = make_config(0).board.model_copy(update={"storage_bytes": 3 * BATCH_BYTES})
    node = make_node(1, board=board)
    welcome(node)
    assert node.on_parcel(packed()).accepted, "the decision may come after the batches"
    node.on_decision(decide("n1", 0, own=1, guests=(Guest("n0", 3), Guest("n3", 1))))
    assert node.on_parcel(packed(owner="n3", ids=(9,))) == Receipt(True, BATCH_BYTES)
    full = Receipt(False, 0, f"storage of {3 * BATCH_BYTES} bytes is full")
    assert node.on_parcel(packed(ids=(6, 7, 8))) == full
    assert node.on_parcel(packed(ids=(6, 7), epoch=2)) == Receipt(True, 2 * BATCH_BYTES)
    node.execute(model)
    assert node.workload.trained == [1_000, 6, 7, 9]
    usage, _ = finish(node, 0)
    assert usage.executed == (Executed("n0", 2), Executed("n1", 1), Executed("n3", 1))
    assert usage.moved == (
        Moved("n0", False, 2 + 2, 4 * BATCH_BYTES),
        Moved("n3", False, 1, BATCH_BYTES),
    )
    # 20 uJ a byte, with the model of four weights.
    radio = [line for line in usage.lines if line.component is Component.RADIO_RX]
    assert [(line.stage, line.energy_uj) for line in radio] == [
        (Stage.DEVELOPMENT, (5 * BATCH_BYTES + 16) * 20)
    ]


def test_parcels_for_the_next_slot_are_held_within_the_storage_and_taken_in_when_it_begins(
    make_node: MakeNode, make_config: Callable[..., Any], packed: Packed, model: Parameters
) -> None:
    board = make_config(0).board.model_copy(update={"storage_bytes": 3 * BATCH_BYTES})
    node = make_node(1, board=board)
    welcome(node)
    full = Receipt(False, 0, f"storage of {3 * BATCH_BYTES} bytes is full")
    assert node.on_parcel(packed(slot=1)) == Receipt(True, 2 * BATCH_BYTES)
    assert node.on_parcel(packed(slot=1, owner="n3", ids=(4, 5))) == full
    assert node.on_parcel(packed(slot=1, owner="n3", ids=(9,))) == Receipt(True, BATCH_BYTES)
    assert node.on_parcel(packed(slot=1, owner="n4", ids=(9,))) == full
    assert node.on_parcel(packed(slot=1, ids=(6, 7))) == Receipt(True, 2 * BATCH_BYTES), "in its own place"
    node.on_decision(decide("n1", 0, own=1))
    node.execute(model)
    usage, _ = finish(node, 0)
    assert usage.moved == ()
    node.on_decision(decide("n1", 1, own=1, guests=(Guest("n0", 2), Guest("n3", 1))))
    assert node.readiness(1).ready
    node.execute(model)
    usage, _ = finish(node, 1)
    assert usage.executed == (Executed("n0", 2), Executed("n1", 1), Executed("n3", 1))
    assert usage.moved == (Moved("n0", False, 2, 2 * BATCH_BYTES), Moved("n3", False, 1, BATCH_BYTES))
    assert node.workload.trained[-2:] == [7, 9]
    node.on_decision(decide("n1", 2))
    assert node.close(CloseSlot(1, 2)).moved == (), "taken in once"


def test_parcels_for_a_slot_that_went_by_are_forgotten(make_node: MakeNode, packed: Packed) -> None:
    """Held for slot 1; the coordinator goes on with slot 2, where the same owner sends again."""
    node = make_node(1)
    welcome(node)
    assert node.on_parcel(packed(slot=1)).accepted
    node.on_welcome(Welcome("run", 1, 2.0, 6.0, 2, None))
    node.acknowledged(Ack("n1", 0))
    node.tick()
    assert node.slot == 2
    node.on_decision(decide("n1", 2, guests=(Guest("n0", 2),)))
    assert node.readiness(2).missing_owners == ("n0",)
    assert node.on_parcel(packed(slot=2)) == Receipt(True, 2 * BATCH_BYTES)
    assert node.close(CloseSlot(1, 2)).moved == (Moved("n0", False, 2, 2 * BATCH_BYTES),)


def test_batches_look_like_those_of_their_own_stage_and_service(make_config: Callable[..., Any]) -> None:
    """Images in one service, words in the other; words are no images, and no other stage has a second service."""
    config = make_config(1, stages=SERVED, inference=inference())
    workload = Images()
    meter = build_meter(config.meter, config.board, config.slot_s)
    node = EdgeNode(config, dict.fromkeys(SERVED, workload), meter, services=[(Words(), MODEL)])
    welcome(node, slot=1)
    other = two_services(make_config)
    ids = tuple(range(12))
    batches = [other.batch(k, Stage.APPLICATION) for k in ids]
    parcel = pack(run_id="run", epoch=1, slot=1, owner="n0", executor="n1", batch_ids=ids, batches=batches)
    assert set(parcel.batch_services) == {0, 1}
    assert node.on_parcel(parcel) == Receipt(True, payload_bytes(parcel))
    renamed = tuple(dataclasses.replace(t, name=t.name.replace("1:tokens", "1:x")) for t in parcel.tensors)
    wrong = node.on_parcel(dataclasses.replace(parcel, owner="n2", tensors=renamed))
    assert (wrong.accepted, wrong.payload_bytes) == (False, 0)
    assert "1:x" in wrong.reason
    assert wrong.reason.endswith("the task's batches hold ['1:arrival_s', '1:tokens']")
    third = dataclasses.replace(
        parcel,
        owner="n3",
        batch_services=tuple(2 * k for k in parcel.batch_services),
        tensors=tuple(dataclasses.replace(t, name=t.name.replace("1:", "2:")) for t in parcel.tensors),
    )
    assert node.on_parcel(third) == Receipt(False, 0, "service 2; this node has 0 to 1")
