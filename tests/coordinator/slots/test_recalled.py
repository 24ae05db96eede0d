"""Turns of lost nodes: where they are asked again, as which batch, and with what of their conversation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from coordinator.config import TurnConfig
from coordinator.slots import recalled as module
from coordinator.slots.asked_turns import AskedTurns
from coordinator.slots.recalled import recalled_turns, taken_turns
from protos.messages.slot import Answer, Recalled
from protos.messages.terms import RequestPart

NODES = ("n0", "n1", "n2")


def turn(slot: int, owner: str, at: str, batch_id: int = 0, conversation: int = 0) -> TurnConfig:
    """Turn k of a conversation is asked in slot k."""
    return TurnConfig(
        slot=slot,
        owner=owner,
        batch_id=batch_id,
        conversation=conversation,
        turn=slot,
        at=at,
        asked_s=10.0 * slot + 5,
    )


def said(owner: str, batch_id: int, *answer: int, failed: str = "", read: bool = False) -> Any:
    return SimpleNamespace(
        owner=owner,
        batch_id=batch_id,
        answer=answer,
        answer_bytes=4 * len(answer),
        failed=failed,
        part=RequestPart.READ if read else RequestPart.WHOLE,
    )


class Slot(SimpleNamespace):
    """A decided slot: ``sends`` and ``recalled`` by node, and what each node that was not lost answered."""

    def __init__(
        self, slot: int, answered: dict[str, list[Any]], nodes: tuple[str, ...] = NODES, **told: Any
    ) -> None:
        decisions = {
            node: SimpleNamespace(
                sends=tuple(SimpleNamespace(executor=to) for to in told.get("sends", {}).get(node, ())),
                recalled=tuple(told.get("recalled", {}).get(node, ())),
                missed=told.get("missed", False),
            )
            for node in nodes
        }
        usage = {
            node: SimpleNamespace(node_id=node, requests=requests) for node, requests in answered.items()
        }
        super().__init__(slot=slot, decisions=decisions, usage=usage, boots=told.get("boots", {}))


def books(turns: list[TurnConfig], *slots: Slot, boots: dict[str, str] | None = None) -> Any:
    """``boots``: nodes that have started again since."""
    past, decided = AskedTurns(turns), {}
    for slot in slots:
        decided[slot.slot] = slot
        past.decided(slot)  # type: ignore[arg-type]
        for usage in slot.usage.values():
            past.reported(slot, usage)  # type: ignore[arg-type]
        past.ended(decided)  # type: ignore[arg-type]
    return SimpleNamespace(
        turns=past,
        slots=decided,
        next_slot=len(slots),
        same_boot=lambda slot, node: node not in (boots or {}),
    )


STAYS = [turn(0, "n1", "n1"), turn(1, "n1", "n1", batch_id=1)]
MOVES = [turn(0, "n1", "n1"), turn(1, "n1", "n2", batch_id=1), turn(2, "n2", "n2")]


def test_a_node_that_has_its_conversations_is_told_nothing() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    assert recalled_turns(books(STAYS, first), NODES) == {}
    assert recalled_turns(books([], first), NODES) == {}


def test_a_turn_that_waits_at_a_lost_node_is_asked_where_its_user_is() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    told = recalled_turns(books(MOVES, first), ("n0", "n2"))
    # n2 has one turn of its own, so that this one is its batch 1.
    assert told == {"n2": (Recalled(0, 1, 1, (Answer(0, (7, 8), 8),), "n1", 1, 15.0),)}
    assert taken_turns(told["n2"]) == 1


def test_where_the_user_is_at_a_lost_node_too_another_that_is_there_answers() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    assert list(recalled_turns(books(MOVES, first), ("n0",))) == ["n0"]
    away = [turn(0, "n1", "n1"), turn(1, "n1", "n1", batch_id=1)]
    came = Slot(0, {"n2": [said("n1", 0, 7, 8)], "n0": []})
    assert list(recalled_turns(books(away, came), ("n0", "n2"))) == ["n2"], "it answered the turn before"


def test_a_turn_lost_in_mid_slot_is_asked_again_before_the_next_one() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    second = Slot(1, {"n0": [], "n2": []})  # n1 was lost with turn 1
    (late,) = recalled_turns(books(MOVES, first, second), ("n0", "n2"))["n2"][:1]
    assert (late.turn, late.lost_node, late.due, late.batch_id) == (1, "n1", 1, 1)
    # n2's own turn 2 goes on from it: the ledger does not have it yet.
    own = recalled_turns(books(MOVES, first, second), ("n0", "n2"))["n2"][1]
    assert (own.turn, own.lost_node, own.batch_id) == (2, "", 0)
    assert [answer.turn for answer in own.answers] == [0]


def test_a_turn_lost_with_the_node_that_it_was_sent_to() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    second = Slot(1, {"n0": [], "n1": []}, sends={"n1": ["n2"]})
    told = recalled_turns(books(MOVES, first, second), ("n0", "n1"))
    assert {node: [(each.turn, each.lost_node) for each in turns] for node, turns in told.items()} == {
        "n1": [(1, "n2"), (2, "n2")]
    }
    # n1 answered turn 0 and has it; of turn 2 the one before is asked in the same slot.
    assert [len(each.answers) for each in told["n1"]] == [0, 1]


def test_what_failed_or_had_no_time_at_a_node_that_is_there_is_not_asked_again() -> None:
    failed = Slot(0, {"n0": [], "n1": [said("n1", 0, failed="the server ended")], "n2": []})
    assert recalled_turns(books(STAYS[:1], failed), NODES) == {}
    no_time = Slot(0, {node: [] for node in NODES})
    assert recalled_turns(books(STAYS[:1], no_time), NODES) == {}


def test_a_turn_that_is_lost_twice_is_asked_a_third_time_with_a_number_of_its_own() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    again = recalled_turns(books(MOVES, first), ("n0", "n2"))
    second = Slot(1, {"n0": []}, nodes=("n0", "n2"), recalled=again)  # n2 is lost with it
    told = recalled_turns(books(MOVES, first, second), ("n0",))["n0"]
    assert [(each.turn, each.lost_node, each.batch_id) for each in told] == [(1, "n2", 0), (2, "n2", 1)]
    third = Slot(2, {"n0": [said("n0", 0, 5, 6), said("n0", 1, 3, 4)]}, nodes=("n0",), recalled={"n0": told})
    more = [*MOVES, turn(3, "n2", "n2", batch_id=1)]
    (last,) = recalled_turns(books(more, first, second, third), ("n0", "n2"))["n2"]
    assert [answer.tokens for answer in last.answers] == [(7, 8), (5, 6), (3, 4)]
    assert last.lost_node == ""


def test_a_missed_slot_asks_nothing() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    told = recalled_turns(books(MOVES, first), ("n0", "n2"))
    missed = Slot(1, {"n0": [], "n2": []}, nodes=("n0", "n2"), recalled=told, missed=True)
    (again, _) = recalled_turns(books(MOVES, first, missed), ("n0", "n2"))["n2"]
    assert (again.turn, again.lost_node, again.batch_id) == (1, "n1", 2)


def test_a_node_that_has_started_again_is_told_what_it_said() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    told = recalled_turns(books(STAYS, first, boots={"n1": "new"}), NODES)
    assert told == {"n1": (Recalled(0, 1, 1, (Answer(0, (7, 8), 8),)),)}


def test_prompts_read_for_another_node_are_no_answers() -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, read=True)]}, sends={"n1": ["n2"]})
    moves = [turn(0, "n1", "n2")]
    (again,) = recalled_turns(books(moves, first), ("n0", "n1"))["n0"]
    assert again.lost_node == "n2"


def test_answers_beyond_what_a_message_holds_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Slot(0, {"n0": [], "n1": [said("n1", 0, 7, 8)], "n2": []})
    monkeypatch.setattr(module, "MOST_ANSWER_BYTES", 1)
    (lost,) = recalled_turns(books(MOVES, first), ("n0", "n2"))["n2"]
    assert lost.answers == ()
    assert recalled_turns(books(STAYS, first, boots={"n1": "new"}), NODES) == {}


def test_a_slot_looks_at_no_slot_before_it_but_where_turns_were_lost() -> None:
    """What a slot takes does not grow with those before it."""
    turns = [turn(slot, "n1", "n1", batch_id=slot) for slot in range(50)]
    past = [Slot(slot, {"n0": [], "n1": [said("n1", slot, 7)], "n2": []}) for slot in range(49)]
    run = books(turns, *past)
    run.slots = Looked(run.slots)
    assert recalled_turns(run, NODES) == {}
    assert len(run.slots.at) <= 1
    del past[-1].usage["n1"]
    lost = books(turns, *past)
    lost.slots = Looked(lost.slots)
    (again, _) = recalled_turns(lost, ("n0", "n2"))["n0"]
    assert (again.turn, len(again.answers)) == (48, 48)
    assert lost.slots.at <= {47, 48}


class Looked(dict[int, Slot]):
    """Slots, and which of them were looked at."""

    def __init__(self, slots: dict[int, Slot]) -> None:
        super().__init__(slots)
        self.at: set[int] = set()

    def __getitem__(self, slot: int) -> Slot:
        self.at.add(slot)
        return super().__getitem__(slot)

    def values(self) -> NoReturn:  # type: ignore[override]
        raise AssertionError("all slots were looked at")
