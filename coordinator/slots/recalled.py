"""Turns of conversations after the loss of a node: which are asked again, where, and what the ledger has of them.

A turn that waits at a node that is not there, or that was not answered because its node was lost in mid-slot, is asked
at the node that its user is at now; where that is not there either, at the node that answered the user last, or at the
first that is there. A node that does not have a conversation, because it was lost with another node or with an earlier
start of this one, is told its answers so far. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from coordinator.config import TurnConfig
from coordinator.slots.asked_turns import AskedTurns
from coordinator.slots.books import Books
from protos.messages.slot import Answer, Recalled
from protos.packed import packed_bytes

MOST_ANSWER_BYTES = 128 * 1024
"""Of answers in one decision, half of the largest message on a stream (choice). Passages stand in for those beyond."""


def recalled_turns(books: Books, nodes: Sequence[str]) -> Mapping[str, tuple[Recalled, ...]]:
    """By node of ``nodes``, which take part in the next slot, the turns that it is told of; {} where there are none."""
    slot, past, here = books.next_slot, books.turns, set(nodes)
    found: dict[str, list[Recalled]] = defaultdict(list)
    room = dict.fromkeys(nodes, MOST_ANSWER_BYTES)
    taken = Counter(past.taken)
    places: dict[int, str] = {}

    def tell(node: str, turn: TurnConfig, lost_node: str) -> None:
        answers = _answers_before(past, turn) if not _has(books, node, turn) else ()
        size = sum(packed_bytes(answer.tokens) for answer in answers)
        answers = answers if size <= room[node] else ()
        if not answers and not lost_node:
            return
        room[node] -= size if answers else 0
        number = turn.batch_id
        if lost_node:
            number = past.own_turns[node] + taken[node]
            taken[node] += 1
        asked_s = turn.asked_s if lost_node else 0.0
        due = turn.slot if lost_node else 0
        found[node].append(Recalled(turn.conversation, turn.turn, number, answers, lost_node, due, asked_s))

    for turn in (*sorted(past.waiting.values(), key=_order), *past.in_slot(slot)):
        if turn.slot == slot and turn.owner in here:
            if turn.turn and not _has(books, turn.owner, turn):
                tell(turn.owner, turn, "")
        elif lost := turn.owner if turn.slot == slot else past.lost_with(turn, books.slots):
            if turn.conversation not in places:  # turns that follow each other go to one node
                places[turn.conversation] = _where(past, turn, slot, nodes)
            tell(places[turn.conversation], turn, lost)
    return {node: tuple(told) for node, told in found.items()}


def taken_turns(told: Sequence[Recalled]) -> int:
    """How many of them are turns of lost nodes: batches beside the node's own."""
    return sum(bool(each.lost_node) for each in told)


def _order(turn: TurnConfig) -> tuple[int, int, int]:
    return turn.slot, turn.conversation, turn.turn


def _where(past: AskedTurns, turn: TurnConfig, slot: int, nodes: Sequence[str]) -> str:
    """Node that answers a lost turn: the user's, else one that has to do with the conversation, else the first."""
    latest = past.last_until(slot, turn.conversation)
    own = latest.owner if latest.slot == slot and latest is not turn else ""
    before = past.done.get((turn.conversation, turn.turn - 1))
    last = "" if before is None else before.node
    return next((node for node in (latest.at, own, last) if node in nodes), nodes[0])


def _answers_before(past: AskedTurns, turn: TurnConfig) -> tuple[Answer, ...]:
    """Those that are known."""
    found = ((k, past.done.get((turn.conversation, k))) for k in range(turn.turn))
    return tuple(
        Answer(k, done.request.answer, done.request.answer_bytes)
        for k, done in found
        if done is not None and done.request.answer
    )


def _has(books: Books, node: str, turn: TurnConfig) -> bool:
    """Whether the present start of a node has answered the turn before."""
    done = books.turns.done.get((turn.conversation, turn.turn - 1))
    return done is not None and done.node == node and books.same_boot(books.slots[done.slot], node)
