"""Batches of other nodes: checked, counted once, within the storage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from protos.messages.slot import CloseSlot, Guest, Moved, Send
from tests.edge_node.slots.steps import BATCH_BYTES, MakeNode, decide, welcome


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
