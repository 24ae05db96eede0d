"""Turns of conversations as the ledger's entries have them: where each was asked, and what became of it.

Part of the books: each entry is taken up once, so that what a slot takes does not grow with the slots before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coordinator.config import TurnConfig
from coordinator.slots.state import SlotState
from protos.messages.slot import ServedRequest, Usage
from protos.messages.terms import RequestPart

Key = tuple[int, int]
"""Conversation and turn."""
Batch = tuple[str, int]
"""Node, and number of a batch there."""
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Done:
    """A turn that a node reported: answered, or failed."""

    slot: int
    node: str
    request: ServedRequest


@dataclass
class AskedTurns:
    """Of the slots decided so far.

    Args:
        turns: All of the run.
    """

    turns: Sequence[TurnConfig] = field(repr=False)
    done: dict[Key, Done] = field(default_factory=dict)
    waiting: dict[Key, TurnConfig] = field(default_factory=dict)
    """Asked in a decided slot, and not reported: to be asked again where it was lost with a node."""
    taken: Counter[str] = field(default_factory=Counter)
    """Of every node: turns of lost nodes that it was told of."""
    own_turns: Counter[str] = field(init=False)
    """Of every node: batches that it was configured with."""
    _asked: dict[Key, tuple[int, str]] = field(default_factory=dict)
    """Slot and node where a lost turn was asked last."""
    _keys: dict[Batch, Key] = field(init=False)
    _of_slot: dict[int, list[TurnConfig]] = field(init=False, repr=False)
    _of_conversation: dict[int, list[TurnConfig]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.own_turns = Counter(turn.owner for turn in self.turns)
        self._keys = {(turn.owner, turn.batch_id): key_of(turn) for turn in self.turns}
        self._of_slot, self._of_conversation = defaultdict(list), defaultdict(list)
        # No part of what the ledger says: (table, key, what it had there) of each change since the first mark; None
        # once they stand.
        self.changes: list[tuple[dict[Any, Any], Any, Any]] | None = None
        for turn in sorted(self.turns, key=lambda each: (each.slot, each.conversation, each.turn)):
            self._of_slot[turn.slot].append(turn)
            self._of_conversation[turn.conversation].append(turn)

    # --- what comes with the ledger's entries ----------------------------------------------------------------

    def decided(self, slot: SlotState) -> None:
        """A slot's decision: its turns are asked, and those of lost nodes that other nodes are told of."""
        for turn in self._of_slot.get(slot.slot, ()):
            self._set(self.waiting, key_of(turn), turn)
        for node, decision in slot.decisions.items():
            for each in decision.recalled:
                if not each.lost_node:
                    continue
                key = (each.conversation, each.turn)
                self._set(self.taken, node, self.taken[node] + 1)
                self._set(self._keys, (node, each.batch_id), key)
                if not decision.missed:
                    self._set(self._asked, key, (slot.slot, node))

    def reported(self, slot: SlotState, usage: Usage) -> None:
        """A node's reading: of a turn that two slots have, the later slot's counts."""
        for one in usage.requests:
            key = self._keys.get((one.owner, one.batch_id))
            if key is None or one.part is RequestPart.READ:
                continue
            before = self.done.get(key)
            if before is None or before.slot <= slot.slot:
                self._set(self.done, key, Done(slot.slot, usage.node_id, one))
            self._drop(key)

    def ended(self, slots: Mapping[int, SlotState]) -> None:
        """A slot has ended: turns that were not lost with a node wait no longer."""
        for key in [key for key, turn in self.waiting.items() if not self.lost_with(turn, slots)]:
            self._drop(key)

    # --- questions -------------------------------------------------------------------------------------------

    def lost_with(self, turn: TurnConfig, slots: Mapping[int, SlotState]) -> str:
        """Node that a turn of a decided slot was lost with; empty: it was answered or failed, or nodes that are there
        had no time for it. ``slots``: as the books have them."""
        key = key_of(turn)
        if key in self.done:
            return ""
        number, node = self._asked.get(key, (turn.slot, turn.owner))
        slot = slots[number]
        if node not in slot.usage:
            return node
        sent = node == turn.owner and any(each.executor == turn.at for each in slot.decisions[node].sends)
        return turn.at if sent and turn.at not in slot.usage else ""

    def in_slot(self, slot: int) -> Sequence[TurnConfig]:
        """Turns that are due in it, by conversation."""
        return self._of_slot.get(slot, ())

    def last_until(self, slot: int, conversation: int) -> TurnConfig:
        """The conversation's last turn that is due in ``slot`` or before."""
        turns = self._of_conversation[conversation]
        return turns[bisect_right(turns, slot, key=lambda each: each.slot) - 1]

    # --- entries that may yet fail ---------------------------------------------------------------------------

    def mark(self) -> int:
        """A point that ``back_to`` returns to; from now on changes are noted."""
        if self.changes is None:
            self.changes = []
        return len(self.changes)

    def back_to(self, mark: int) -> None:
        """As it was at ``mark``."""
        while self.changes is not None and len(self.changes) > mark:
            table, key, value = self.changes.pop()
            if value is _MISSING:
                del table[key]
            else:
                table[key] = value

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._note(table, key)
        table[key] = value

    def _drop(self, key: Key) -> None:
        if key in self.waiting:
            self._note(self.waiting, key)
            del self.waiting[key]

    def _note(self, table: dict[Any, Any], key: Any) -> None:
        if self.changes is not None:
            self.changes.append((table, key, table.get(key, _MISSING)))


def key_of(turn: TurnConfig) -> Key:
    """By which it is found."""
    return turn.conversation, turn.turn
