"""One request as the node is asked it, and what cannot be answered of it."""

from __future__ import annotations

from dataclasses import dataclass

from edge_node.language.ask import AskError
from edge_node.language.prompts import LENGTHS, TEXT_BYTES, TOKENS
from edge_node.workload import Arrays

TURN = "turn"
"""Array of a batch of conversations: (B, 4) int32, the fields of ``Turn``; the last one is UNKNOWN, KNOWN or
FROM_LEDGER."""
UNKNOWN, KNOWN, FROM_LEDGER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Turn:
    """Which turn of which conversation a request is."""

    conversation: int
    turn: int
    read_from: int
    """Turn whose prompt was read as a whole: those after it were read with its cache, message by message."""
    known: bool
    """Whether the earlier answers in the prompt are those that were given; no: passages stand in for them."""
    recalled: bool = False
    """Whether they are from the ledger."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    tokens: list[int]
    answer_tokens: int
    text_bytes: int
    turn: Turn | None = None
    """None: it is no turn of a conversation."""

    @property
    def context(self) -> int:
        """Tokens of prompt and answer."""
        return len(self.tokens) + self.answer_tokens


def requests_of(batch: Arrays) -> list[Asked]:
    """The requests of a batch, own or offloaded; one whose lengths its prompt does not have asks nothing."""
    found = []
    turns = [_turn(row) for row in batch[TURN]] if TURN in batch else [None] * len(batch[TOKENS])
    for row, (prompt, answer), size, turn in zip(
        batch[TOKENS], batch[LENGTHS], batch[TEXT_BYTES], turns, strict=True
    ):
        whole = 1 <= prompt <= len(row) and answer >= 1 and size >= 0
        tokens = row[:prompt].tolist() if whole else []
        found.append(Asked(tokens, int(answer) if whole else 0, int(size) if whole else 0, turn))
    return found


def _turn(row: object) -> Turn:
    conversation, turn, read_from, known = (max(0, int(each)) for each in row)  # type: ignore[attr-defined]
    return Turn(conversation, turn, min(read_from, turn), bool(known), known == FROM_LEDGER)


def require_answerable(asked: Asked, context_tokens: int) -> None:
    """Raises AskError for a request that the model cannot be asked."""
    if not asked.tokens:
        raise AskError("its lengths are those of no request: it was damaged on its way")
    if asked.context > context_tokens:
        raise AskError(
            f"{len(asked.tokens)} tokens of prompt and {asked.answer_tokens} of answer are more than the context "
            f"of {context_tokens}: raise task.llm.context_tokens"
        )
