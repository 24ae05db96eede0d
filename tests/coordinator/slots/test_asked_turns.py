"""Turns as the ledger's entries have them, and back to what they were before entries that failed."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from coordinator.config import TurnConfig
from coordinator.slots.asked_turns import AskedTurns
from protos.messages.slot import Recalled
from protos.messages.terms import RequestPart

TURNS = tuple(
    TurnConfig(slot=slot, owner="n0", batch_id=slot, conversation=0, turn=slot, at="n0") for slot in range(3)
)


def decided(slot: int, *recalled: Recalled, missed: bool = False) -> Any:
    told = {"n0": (), "n1": recalled}
    decisions = {node: SimpleNamespace(recalled=each, missed=missed, sends=()) for node, each in told.items()}
    return SimpleNamespace(slot=slot, decisions=decisions, usage={})


def reading(slot: Any, node: str, *batches: int, part: RequestPart = RequestPart.WHOLE) -> Any:
    requests = [SimpleNamespace(owner=node, batch_id=batch, part=part) for batch in batches]
    slot.usage[node] = SimpleNamespace(node_id=node, requests=requests)
    return slot.usage[node]


def test_a_turn_waits_until_it_is_reported() -> None:
    turns, first = AskedTurns(TURNS), decided(0)
    turns.decided(first)
    assert list(turns.waiting) == [(0, 0)]
    turns.reported(first, reading(first, "n0", 0, part=RequestPart.READ))
    assert list(turns.waiting) == [(0, 0)]
    turns.reported(first, reading(first, "n0", 0))
    assert not turns.waiting
    assert (turns.done[0, 0].slot, turns.done[0, 0].node) == (0, "n0")


def test_a_turn_that_had_no_time_waits_no_longer_than_its_slot() -> None:
    turns, first = AskedTurns(TURNS), decided(0)
    turns.decided(first)
    reading(first, "n0")
    turns.ended({0: first})
    assert not turns.waiting
    lost = AskedTurns(TURNS)
    lost.decided(gone := decided(0))
    lost.ended({0: gone})
    assert list(lost.waiting) == [(0, 0)]
    assert lost.lost_with(TURNS[0], {0: gone}) == "n0"


def test_of_two_readings_the_later_slots_counts() -> None:
    turns, first = AskedTurns(TURNS), decided(0)
    turns.decided(first)
    second = decided(1, Recalled(0, 0, 0, (), "n0"))
    turns.decided(second)
    turns.reported(second, reading(second, "n1", 0))
    turns.reported(first, reading(first, "n0", 0))  # came late
    assert (turns.done[0, 0].slot, turns.done[0, 0].node) == (1, "n1")


def test_what_failed_is_put_back_to_each_mark() -> None:
    turns = AskedTurns(TURNS)
    seen = []
    for slot in (decided(0), decided(1, Recalled(0, 0, 0, (), "n0")), decided(2, missed=True)):
        seen.append((turns.mark(), deepcopy(turns)))
        turns.decided(slot)
        seen.append((turns.mark(), deepcopy(turns)))
        turns.reported(slot, reading(slot, "n1", 0))
        turns.ended(dict.fromkeys(range(3), slot))
    for mark, before in reversed(seen):
        turns.back_to(mark)
        assert turns == before
    turns.changes = None
    turns.decided(decided(0))
    assert turns.mark() == 0
