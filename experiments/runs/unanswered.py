"""Turns of conversations that nobody answered: they were lost with a node, and no slot came after it to ask them in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from coordinator.config import TurnConfig

if TYPE_CHECKING:
    from coordinator.adapters.flower_server import SlotOutcome

Key = tuple[int, int]
"""Conversation and turn."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """One turn of one user."""

    conversation: int
    turn: int
    slot: int
    """In which it was lost: the last one in which it was asked."""
    user_at: str
    asked_at: str
    """Node among whose batches it was."""
    lost_node: str

    def __str__(self) -> str:
        return (
            f"turn {self.turn} of conversation {self.conversation} (slot {self.slot}, user at {self.user_at}, "
            f"lost with {self.lost_node})"
        )


def unanswered_turns(
    turns: Sequence[TurnConfig], outcomes: Sequence[SlotOutcome], answered: Collection[Key]
) -> tuple[Unanswered, ...]:
    """Those of decided slots that are not in ``answered`` and whose node, in the last slot that they were asked in,
    gave no reading by its end. Turns for which nodes that are there had no time are none of them."""
    decided = {outcome.slot: outcome for outcome in outcomes}
    asked: dict[Key, tuple[int, str]] = {}
    for outcome in outcomes:
        for decision in outcome.plan.decisions:
            for each in decision.recalled:
                if each.lost_node and not decision.missed:
                    asked[each.conversation, each.turn] = outcome.slot, decision.node_id
    found = []
    for turn in turns:
        key = (turn.conversation, turn.turn)
        if key in answered or turn.slot not in decided:
            continue
        slot, node = asked.get(key, (turn.slot, turn.owner))
        if lost := _lost_with(decided[slot], node, turn):
            found.append(Unanswered(*key, slot, turn.at, node, lost))
    return tuple(found)


def _lost_with(outcome: SlotOutcome, node: str, turn: TurnConfig) -> str:
    """Node without a reading that had the turn of ``node``; empty where there was none."""
    silent = {*outcome.summary.missing_nodes, *(outcome.replies.missing if outcome.interrupted else ())}
    if node in silent:
        return node
    sent = any(
        each.executor == turn.at
        for decision in outcome.plan.decisions
        if decision.node_id == node == turn.owner
        for each in decision.sends
    )
    return turn.at if sent and turn.at in silent else ""


def answered_turns(requests: Path | None) -> set[Key]:
    """Of the table ``requests``; {} where the run has none."""
    if requests is None:
        return set()
    columns = ["conversation", "turn", "failed"]
    if not set(columns) <= set(pq.read_schema(requests.absolute()).names):
        return set()
    rows = pq.read_table(requests.absolute(), columns=columns).to_pylist()
    return {
        (row["conversation"], row["turn"])
        for row in rows
        if row["failed"] is None and row["conversation"] is not None
    }
