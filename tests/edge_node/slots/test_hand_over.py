"""Prompts that are read before their batch leaves: once, booked as read, and in the parcel."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_node.meters.base import Work
from edge_node.slots.errors import InvalidDecision
from edge_node.slots.hand_over import Handing, HandOver
from edge_node.slots.parcels import with_prompts
from edge_node.slots.savepoint import Together
from edge_node.slots.slot import Delivery, Outgoing, SlotState
from edge_node.workload import HANDED, ReadPrompt, RequestUse
from protos.messages.parcels import HandedPrompt, Parcel, Tensor, head_of
from protos.messages.slot import Guest, Send, Usage
from protos.messages.stream import MOST_AWAITED
from protos.messages.terms import RequestPart, Stage
from tests.edge_node.slots.steps import MakeNode, decide, finish, welcome

PROMPT = HandedPrompt(0, 0, 4, 7, b"x", 0.0, "kin", "0" * 64, b"cache")
USE = RequestUse(0, 4, 0, 0.5, 1.0, 0.5, 1.0, None, 10.0, 0.0, 0, 0, 0, part=RequestPart.READ)
PARCEL = Parcel("run", 1, 0, "n0", "n1", (3, 5), (Tensor("t", "int32", (4,), b"\0" * 16),), (2, 2))


class Reader:
    """Counts what it reads; of request 1 of a batch nothing comes."""

    def __init__(self) -> None:
        self.read_ids: list[int] = []

    def batch(self, batch_id: int, stage: str) -> dict[str, Any]:
        return {"id": np.array([batch_id])}

    def read(self, batch: dict[str, Any]) -> list[ReadPrompt]:
        self.read_ids.append(int(batch["id"][0]))
        return [ReadPrompt(USE, PROMPT), ReadPrompt(replace(USE, failed="no"), None)]


def made(handed: int) -> tuple[HandOver, SlotState, Reader, list[Work]]:
    slot = SlotState(0, Stage.APPLICATION, True)
    batches = [SimpleNamespace(batch_id=batch_id) for batch_id in PARCEL.batch_ids]
    slot.outgoing["n1"] = Outgoing(PARCEL, batches, handed=handed)  # type: ignore[arg-type]
    reader, booked = Reader(), []
    node: Any = SimpleNamespace(
        current=slot,
        workloads={Stage.APPLICATION: reader},
        meter=SimpleNamespace(begin=lambda: None, add=booked.append),
        serving=SimpleNamespace(read_ahead=lambda *arguments: [1.5, 2.0]),
        read_late=[],
    )
    sleeping: Any = SimpleNamespace(wait_until_awake=lambda: "")
    return HandOver(node, sleeping, threading.RLock(), threading.Lock()), slot, reader, booked


def test_the_first_batches_are_read_and_their_caches_leave_with_them() -> None:
    hand_over, slot, reader, booked = made(handed=1)
    left = hand_over.read(PARCEL)
    assert reader.read_ids == [3]
    assert left.prompts == (replace(PROMPT, batch_id=3, place=0, read_s=1.5),)
    assert slot.outgoing["n1"].parcel is left
    assert head_of(left).payload_bytes == 16 + len(PROMPT.cache)
    assert booked == [Work(Stage.APPLICATION, 0.0)]
    first, second = with_prompts(left, [{"t": np.zeros(2)}, {"t": np.zeros(2)}])
    assert list(first[HANDED]) == [left.prompts[0], None]
    assert HANDED not in second


def test_nothing_is_read_that_was_not_asked_for_or_was_read_before() -> None:
    hand_over, slot, reader, _ = made(handed=0)
    assert not hand_over.is_due(PARCEL)
    assert hand_over.read(PARCEL) is PARCEL
    slot.outgoing["n1"].handed = 2
    assert hand_over.is_due(PARCEL)
    slot.prompts[3] = (PROMPT,)
    assert [prompt.batch_id for prompt in hand_over.read(PARCEL).prompts] == [0, 5]
    assert reader.read_ids == [5]


def test_a_parcel_of_a_plan_that_was_replaced_leaves_as_it_is() -> None:
    hand_over, slot, reader, _ = made(handed=1)
    slot.outgoing["n1"].parcel = replace(PARCEL, epoch=2)
    assert hand_over.read(PARCEL) is PARCEL
    assert reader.read_ids == []


def test_what_is_read_leaves_with_the_parcel_also_where_a_call_failed_meanwhile() -> None:
    """As where a decision is refused: the slot is put back as it was before the call."""
    hand_over, slot, reader, _ = made(handed=2)
    node: Any = SimpleNamespace(
        current=slot, last=None, outbox=SimpleNamespace(together=contextlib.nullcontext)
    )
    calls, read = Together(node), reader.read

    def refused(batch: dict[str, Any]) -> list[ReadPrompt]:
        with pytest.raises(InvalidDecision), calls.together():
            raise InvalidDecision("another's")
        return read(batch)

    reader.read = refused  # type: ignore[method-assign]
    left = hand_over.read(PARCEL)
    assert [prompt.batch_id for prompt in left.prompts] == [3, 5]
    assert slot.outgoing["n1"].parcel is left, "else what becomes of it would count for nothing"


@pytest.mark.parametrize("end", ["closed", "given up", "replaced"])
def test_reading_ends_after_the_batch_where_the_parcel_is_not_to_leave_any_more(end: str) -> None:
    """As where a slot is cut while prompts are read: the board has the next slot's work to do."""
    hand_over, slot, reader, booked = made(handed=2)
    read = reader.read

    def over(batch: dict[str, Any]) -> list[ReadPrompt]:
        if end == "closed":
            slot.usage = SimpleNamespace()  # type: ignore[assignment]
        elif end == "given up":
            slot.outgoing["n1"].delivery = Delivery.FAILED
        else:
            slot.outgoing = {}
        return read(batch)

    reader.read = over  # type: ignore[method-assign]
    hand_over.read(PARCEL)
    assert reader.read_ids == [3]
    assert booked == [Work(Stage.APPLICATION, 0.0)]


def test_what_was_read_after_the_slot_was_closed_is_told_with_the_window_that_has_its_joules(
    make_node: MakeNode,
) -> None:
    """As where the slot is cut. Their batch waits at home for the next slot."""
    node = make_node(stages=(Stage.APPLICATION,) * 3, deadline_slots=1)
    welcome(node)
    decision = decide("n0", 0, stage=Stage.APPLICATION, sends=(Send("n1", "", 2),))
    (parcel,) = node.on_decision(decision)
    node._state.require_current().outgoing["n1"].handed = 2
    closed: list[Usage] = []

    def read(batch: dict[str, Any]) -> list[ReadPrompt]:
        closed.append(finish(node, 0)[0])
        found = [ReadPrompt(USE, PROMPT) for _ in range(5)]
        for _ in found:  # each prompt has a piece of the meter
            node._state.meter.add(Work(Stage.APPLICATION, USE.flop))
        return found

    node.workload.read = read
    assert node.read_ahead(parcel) is parcel
    (before,) = closed
    assert before.requests == ()
    usage, _ = finish(node, 1)
    assert [(one.batch_id, one.place, one.part) for one in usage.requests] == [
        (0, place, RequestPart.READ) for place in range(5)
    ]
    assert sum(one.prefilled_tokens for one in usage.requests) == 5 * USE.prefilled_tokens
    lines = sum(line.energy_uj for line in usage.lines if line.stage is Stage.APPLICATION)
    assert sum(one.prefill_uj for one in usage.requests) == lines > 0
    assert finish(node, 2)[0].requests == (), "told once"


@pytest.mark.parametrize("send", [Send("n1", "", 2, 1), Send("n1", "", 1, 2)])
def test_a_node_without_a_language_model_reads_for_nobody(make_node: MakeNode, send: Send) -> None:
    node = make_node()
    welcome(node)
    with pytest.raises(InvalidDecision):
        node.on_decision(decide("n0", 0, own=2, sends=(send,)))


def test_a_heartbeat_says_whose_prompts_are_awaited_and_when_the_own_ones_have_left() -> None:
    hand_over, slot, *_ = made(handed=1)
    assert hand_over.handing() == Handing(), "without a decision"
    owners = tuple(f"n{k}" for k in range(2, 4 + MOST_AWAITED))
    guests = (Guest("n9", 1), *(Guest(owner, 2, handed=1) for owner in owners))
    slot.decision = decide("n0", 0, sends=(Send("n1", "", 2, 1),), guests=guests)
    assert hand_over.handing() == Handing(owners[:MOST_AWAITED], None)
    slot.given_up.add("n2")
    slot.outgoing["n1"].delivery = Delivery.FAILED
    assert hand_over.handing() == Handing(owners[1 : 1 + MOST_AWAITED], 0)
    slot.decision = replace(slot.decision, sends=(Send("n1", "", 2),))
    assert hand_over.handing().handed_slot is None, "no prompts were to be read"
    slot.usage = SimpleNamespace()  # type: ignore[assignment]
    assert hand_over.handing() == Handing(), "the slot is over"


def test_a_heartbeat_does_not_wait_for_a_node_at_work() -> None:
    lock = threading.RLock()
    node: Any = SimpleNamespace(current=None)
    hand_over = HandOver(node, SimpleNamespace(), lock, threading.Lock())  # type: ignore[arg-type]
    said: list[Handing] = []
    with lock:
        beat = threading.Thread(target=lambda: said.append(hand_over.handing()))
        beat.start()
        beat.join(20.0)
        assert said == [Handing()]
