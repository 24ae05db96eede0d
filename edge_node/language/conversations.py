"""Users' conversations on one node: what was said in them, and the caches of what its server has read.

A conversation's prompts follow from seed and number, its answers from the model. Earlier answers that a node did not
give may come from the ledger. Where they do not, a passage of the same length stands in for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_node.config import ConversationConfig, UserTurn
from edge_node.language.asked import FROM_LEDGER, KNOWN, TURN, UNKNOWN
from edge_node.language.prompt_cache import PromptCache
from edge_node.language.prompts import LENGTHS, TEXT_BYTES, TOKENS, Corpus, passage
from edge_node.workload import Arrays
from protos.messages.slot import Answer, Recalled

DRAW = 0xC0117
"""Beside seed, conversation, turn and speaker: a stream of randomness of its own for passages."""
USER, ANSWER = 0, 1
MOST_TOKEN = 2**31 - 1
"""Largest number that a token may have in a batch."""
KEPT_BYTES = 256 * 2**20
"""Of caches that a node keeps (choice); the oldest go first, and their conversations are read again."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A conversation up to the answer of a turn."""

    tokens: tuple[int, ...]
    text_bytes: int
    read_from: int
    """As in ``Turn``."""
    cache: PromptCache | None
    """None: it was dropped, could not be taken, or never was here."""
    recalled: bool = False
    """Whether the earlier answers are from the ledger: this node did not give them."""


class Conversations:
    """Those that a node has answered last.

    Args:
        told: Lengths, and the turns that begin here.
        seed: The run's.
        shared_tokens: At the beginning of every conversation, the same in all.
        longest_tokens: Of any prompt of the fleet.
        corpus: The text in the model's tokens.
    """

    def __init__(
        self,
        told: ConversationConfig,
        seed: int,
        shared_tokens: int,
        longest_tokens: int,
        corpus: Callable[[], Corpus],
    ) -> None:
        self._told, self._seed, self._shared = told, seed, shared_tokens
        self._longest, self._corpus = longest_tokens, corpus
        self._spoken: dict[tuple[int, int], Spoken] = {}
        self._built: dict[int, Arrays] = {}
        self._answers: dict[int, dict[int, Answer]] = {}
        """From the ledger, by conversation and turn."""
        self._taken: dict[int, UserTurn] = {}
        """Turns of nodes that were lost, by the number of their batch here."""

    def recall(self, turns: Sequence[Recalled]) -> None:
        """Take up what the ledger has of conversations that this node does not have. Told twice, it is the same."""
        for each in turns:
            known = self._answers.setdefault(each.conversation, {})
            known.update({answer.turn: answer for answer in each.answers})
            if each.lost_node:
                turn = UserTurn(conversation=each.conversation, turn=each.turn, at=each.lost_node)
                self._taken[each.batch_id] = turn
            self._built.pop(each.batch_id, None)

    def before(self, conversation: int, turn: int) -> Spoken | None:
        """What was said before ``turn``, where this node has answered the turn before, or the ledger has all of it."""
        return self._spoken.get((conversation, turn)) or self._recalled(conversation, turn)

    def _recalled(self, conversation: int, turn: int) -> Spoken | None:
        answers = self._answers.get(conversation, {})
        if not turn or not all(_is_whole(answers.get(k), self._told.answer_tokens) for k in range(turn)):
            return None
        tokens: list[int] = []
        size = 0
        for k in range(turn):
            message, more = self._message(conversation, k)
            tokens += [*message.tolist(), *answers[k].tokens]
            size += more + answers[k].text_bytes
        return Spoken(tuple(tokens), size, turn, None, recalled=True)

    def keep(self, conversation: int, turn: int, spoken: Spoken) -> None:
        """The answer of the turn before ``turn`` is given. What was known of earlier turns goes."""
        for key in [key for key in self._spoken if key[0] == conversation and key[1] <= turn]:
            del self._spoken[key]
        self._answers.pop(conversation, None)
        self._spoken[conversation, turn] = spoken
        self._drop_oldest()

    def forget(self, conversation: int) -> None:
        """An answer is given that is not known token by token: the next turn is asked with passages in its place."""
        for key in [key for key in self._spoken if key[0] == conversation]:
            del self._spoken[key]
        self._answers.pop(conversation, None)

    def _drop_oldest(self) -> None:
        held = sum(len(each.cache.content) for each in self._spoken.values() if each.cache is not None)
        for key, each in list(self._spoken.items()):  # in the order of their answers
            if held <= KEPT_BYTES:
                return
            if each.cache is not None:
                held -= len(each.cache.content)
                self._spoken[key] = replace(each, cache=None)

    def batch(self, number: int) -> Arrays:
        """The own batch ``number``: one turn. The same number always gives the same arrays."""
        if number not in self._built:
            self._built[number] = self._make(number)
        return self._built[number]

    def _make(self, number: int) -> Arrays:
        own = self._told.own
        if number in self._taken:
            return self.made(self._taken[number])
        # What a batch looks like, at a node where none begins.
        return self.made(own[number] if own else UserTurn(conversation=0, turn=0, at="none"))

    def made(self, which: UserTurn) -> Arrays:
        """The batch of a turn, by what is known of its conversation now."""
        known = self.before(which.conversation, which.turn)
        if known is None:
            said, size, read_from = self._imagined(which.conversation, which.turn)
        else:
            said, size, read_from = np.array(known.tokens, dtype=np.int32), known.text_bytes, known.read_from
        message, more = self._message(which.conversation, which.turn)
        tokens = np.zeros((1, self._longest), dtype=np.int32)
        prompt = len(said) + len(message)
        tokens[0, :prompt] = np.concatenate((said, message))
        is_known = KNOWN if known is not None or not which.turn else UNKNOWN
        if known is not None and known.recalled:
            is_known = FROM_LEDGER
        return {
            TOKENS: tokens,
            LENGTHS: np.array([[prompt, self._told.answer_tokens]], dtype=np.int32),
            TEXT_BYTES: np.array([size + more], dtype=np.int32),
            TURN: np.array([[which.conversation, which.turn, read_from, is_known]], dtype=np.int32),
        }

    def _imagined(self, conversation: int, turn: int) -> tuple[NDArray[np.int32], int, int]:
        """A conversation before ``turn`` with passages in place of its answers."""
        parts = [
            part
            for before in range(turn)
            for part in (
                self._message(conversation, before),
                self._passage(conversation, before, ANSWER, self._told.answer_tokens),
            )
        ]
        empty = np.zeros(0, dtype=np.int32)
        return np.concatenate([empty, *(part for part, _ in parts)]), sum(size for _, size in parts), turn

    def _message(self, conversation: int, turn: int) -> tuple[NDArray[np.int32], int]:
        """(tokens, bytes of text) of what the user says."""
        if turn:
            return self._passage(conversation, turn, USER, self._told.message_tokens)
        common = min(self._shared, self._told.first_tokens)
        shared, size = passage(self._corpus(), 0, common)
        own, more = self._passage(conversation, 0, USER, self._told.first_tokens - common)
        return np.concatenate((shared, own)), size + more

    def _passage(
        self, conversation: int, turn: int, speaker: int, count: int
    ) -> tuple[NDArray[np.int32], int]:
        corpus = self._corpus()
        draw = np.random.default_rng((self._seed, DRAW, conversation, turn, speaker))
        return passage(corpus, int(draw.integers(len(corpus.tokens))), count)


def _is_whole(answer: Answer | None, tokens: int) -> bool:
    """Whether an answer from the ledger can stand in a prompt."""
    return answer is not None and len(answer.tokens) == tokens and max(answer.tokens) <= MOST_TOKEN
