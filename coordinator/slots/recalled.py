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
from coordinator.slots.books import Books
from coordinator.slots.state import SlotState
from protos.messages.slot import Answer, Recalled, ServedRequest
from protos.messages.terms import RequestPart

TOKEN_BYTES = 5
"""Of a token in a message, at most: numbers below 2^35."""
MOST_ANSWER_BYTES = 128 * 1024
"""Of answers in one decision, half of the largest message on a stream (choice). Passages stand in for those beyond."""

Key = tuple[int, int]
"""Conversation and turn."""


def recalled_turns(books: Books, nodes: Sequence[str]) -> Mapping[str, tuple[Recalled, ...]]:
    """By node of ``nodes``, which take part in the next slot, the turns that it is told of; {} where there are none."""
    slot = books.next_slot
    turns = [turn for turn in books.config.turns if turn.slot <= slot]
    if not turns:
        return {}
    past, here = _Past(books), set(nodes)
    found: dict[str, list[Recalled]] = defaultdict(list)
    room = dict.fromkeys(nodes, MOST_ANSWER_BYTES)
    taken = Counter(past.taken)
    places: dict[int, str] = {}

    def tell(node: str, turn: TurnConfig, lost_node: str) -> None:
        answers = past.answers_before(turn) if not past.has(node, turn) else ()
        size = TOKEN_BYTES * sum(len(answer.tokens) for answer in answers)
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

    for turn in sorted(turns, key=lambda each: (each.slot, each.conversation, each.turn)):
        if turn.slot == slot and turn.owner in here:
            if turn.turn and not past.has(turn.owner, turn):
                tell(turn.owner, turn, "")
        elif lost := turn.owner if turn.slot == slot else past.lost_with(turn):
            if turn.conversation not in places:  # turns that follow each other go to one node
                places[turn.conversation] = _where(turn, turns, slot, past, nodes)
            tell(places[turn.conversation], turn, lost)
    return {node: tuple(told) for node, told in found.items()}


def taken_turns(told: Sequence[Recalled]) -> int:
    """How many of them are turns of lost nodes: batches beside the node's own."""
    return sum(bool(each.lost_node) for each in told)


def _where(
    turn: TurnConfig, turns: Sequence[TurnConfig], slot: int, past: _Past, nodes: Sequence[str]
) -> str:
    """Node that answers a lost turn: the user's, else one that has to do with the conversation, else the first."""
    latest = max(
        (each for each in turns if each.conversation == turn.conversation), key=lambda each: each.turn
    )
    own = latest.owner if latest.slot == slot and latest is not turn else ""
    last = past.answered_at(turn)
    return next((node for node in (latest.at, own, last) if node in nodes), nodes[0])


class _Past:
    """What became of all turns so far."""

    def __init__(self, books: Books) -> None:
        self._books = books
        turns = books.config.turns
        self.own_turns = Counter(turn.owner for turn in turns)
        """Of every node: batches that it was configured with."""
        self.taken: Counter[str] = Counter()
        """Of every node: turns of lost nodes that it was told of."""
        self._at: dict[Key, tuple[int, str]] = {}
        """Slot and node where a lost turn was asked last."""
        self._done: dict[Key, tuple[SlotState, str, ServedRequest]] = {}
        keys = {(turn.owner, turn.batch_id): (turn.conversation, turn.turn) for turn in turns}
        for slot in books.slots.values():
            self._decided(slot, keys)
        for slot in books.slots.values():
            for node, usage in slot.usage.items():
                for one in usage.requests:
                    key = keys.get((one.owner, one.batch_id))
                    if key is not None and one.part is not RequestPart.READ:
                        self._done[key] = slot, node, one

    def _decided(self, slot: SlotState, keys: dict[tuple[str, int], Key]) -> None:
        for node, decision in slot.decisions.items():
            for each in decision.recalled:
                if not each.lost_node:
                    continue
                self.taken[node] += 1
                key = (each.conversation, each.turn)
                keys[node, each.batch_id] = key
                if not decision.missed:
                    self._at[key] = slot.slot, node

    def answers_before(self, turn: TurnConfig) -> tuple[Answer, ...]:
        """Those that are known."""
        found = ((k, self._done.get((turn.conversation, k))) for k in range(turn.turn))
        return tuple(
            Answer(k, done[2].answer, done[2].answer_bytes)
            for k, done in found
            if done is not None and done[2].answer
        )

    def answered_at(self, turn: TurnConfig) -> str:
        """Node that answered the turn before; empty where none did."""
        done = self._done.get((turn.conversation, turn.turn - 1))
        return "" if done is None else done[1]

    def has(self, node: str, turn: TurnConfig) -> bool:
        """Whether the present start of a node has answered the turn before."""
        done = self._done.get((turn.conversation, turn.turn - 1))
        return done is not None and done[1] == node and self._books.same_boot(done[0], node)

    def lost_with(self, turn: TurnConfig) -> str:
        """Node that a turn of an earlier slot was lost with; empty: it was answered or failed, or nodes that are there
        had no time for it."""
        key = (turn.conversation, turn.turn)
        if key in self._done:
            return ""
        number, node = self._at.get(key, (turn.slot, turn.owner))
        slot = self._books.slots[number]
        if node not in slot.usage:
            return node
        sent = node == turn.owner and any(each.executor == turn.at for each in slot.decisions[node].sends)
        return turn.at if sent and turn.at not in slot.usage else ""
