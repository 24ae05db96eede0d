"""Conversations of a node: the same number asks the same, what is not known has passages, old caches go."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from edge_node.config import ConversationConfig, UserTurn
from edge_node.language import conversations as module
from edge_node.language.asked import requests_of
from edge_node.language.conversations import Conversations, Spoken
from edge_node.language.prompt_cache import Kin, PromptCache
from edge_node.language.prompts import TOKENS, Corpus
from protos.messages.slot import Answer, Recalled

CORPUS = Corpus(np.arange(100, 400, dtype=np.int32), np.arange(301, dtype=np.int64) * 4)
OWN = tuple(UserTurn(conversation=c, turn=k, at="n1") for c, k in ((0, 0), (0, 1), (0, 2), (1, 2)))
TOLD = ConversationConfig(first_tokens=10, message_tokens=4, answer_tokens=3, own=OWN)


def made(seed: int = 1) -> Conversations:
    return Conversations(TOLD, seed, 2, 24, lambda: CORPUS)


def cache(size: int = 8) -> PromptCache:
    content = b"x" * size
    return PromptCache(Kin("a", "b", 1), 12, content, hashlib.sha256(content).hexdigest())


def spoken(node: Conversations, number: int, cached: PromptCache | None = None) -> Spoken:
    (asked,) = requests_of(node.batch(number))
    return Spoken((*asked.tokens, 7, 8, 9), asked.text_bytes + 12, 0, cached)


def test_lengths_are_those_of_the_whole_conversation() -> None:
    assert [TOLD.prompt_tokens(turn) for turn in range(3)] == [10, 17, 24]
    assert [TOLD.history_tokens(turn) for turn in range(3)] == [0, 12, 19]
    node = made()
    prompts = [len(requests_of(node.batch(number))[0].tokens) for number in range(4)]
    assert prompts == [10, 17, 24, 24]


def test_every_conversation_begins_alike_and_goes_on_in_its_own_words() -> None:
    node = made()
    first, other = node.batch(0)[TOKENS][0], node.batch(3)[TOKENS][0]
    assert first[:2].tolist() == other[:2].tolist() == [100, 101]
    assert first[2:10].tolist() != other[2:10].tolist()
    again = made().batch(0)[TOKENS][0]
    assert again.tolist() == first.tolist()
    assert made(seed=2).batch(0)[TOKENS][0].tolist() != first.tolist()


def test_a_turn_whose_conversation_is_known_has_its_answers() -> None:
    node = made()
    before = spoken(node, 0)
    node.keep(0, 1, before)
    (asked,) = requests_of(node.batch(1))
    assert tuple(asked.tokens[:13]) == before.tokens
    assert asked.turn is not None
    assert (asked.turn.known, asked.turn.read_from) == (True, 0)
    assert asked.text_bytes == before.text_bytes + 4 * 4


def test_what_is_not_known_has_passages_and_says_so() -> None:
    (asked,) = requests_of(made().batch(2))
    assert asked.turn is not None
    assert (asked.turn.known, asked.turn.read_from) == (False, 2)
    assert asked.text_bytes == 24 * 4
    message = requests_of(made().batch(0))[0].tokens
    assert asked.tokens[:10] == message


def test_the_same_number_asks_the_same_after_it_was_answered() -> None:
    node = made()
    node.keep(0, 1, spoken(node, 0))
    before = requests_of(node.batch(1))
    node.keep(0, 2, spoken(node, 1))
    assert requests_of(node.batch(1)) == before
    assert node.before(0, 1) is None
    assert node.before(0, 2) is not None


def test_the_oldest_caches_go_and_the_text_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 20)
    node = made()
    node.keep(0, 1, spoken(node, 0, cache()))
    node.keep(1, 3, spoken(node, 3, cache()))
    node.keep(2, 1, spoken(node, 0, cache()))
    held = [node.before(*key) for key in ((0, 1), (1, 3), (2, 1))]
    assert [each is not None and each.cache is not None for each in held] == [False, True, True]


def test_a_node_where_no_turn_begins_still_has_a_batch_to_compare_with() -> None:
    told = TOLD.model_copy(update={"own": ()})
    batch = Conversations(told, 1, 2, 24, lambda: CORPUS).batch(0)
    assert {name: array.dtype for name, array in batch.items()} == {
        name: array.dtype for name, array in made().batch(2).items()
    }


def test_answers_from_the_ledger_make_a_conversation_whole() -> None:
    there = made()
    first, answers = requests_of(there.batch(0))[0], []
    for turn, words in enumerate(((7, 8, 9), (4, 5, 6))):
        (asked,) = requests_of(there.batch(turn))
        there.keep(0, turn + 1, Spoken((*asked.tokens, *words), asked.text_bytes + 12, 0, None))
        answers.append(Answer(turn, words, 12))
    (wanted,) = requests_of(there.batch(2))
    here = made()
    here.recall([Recalled(0, 2, 2, tuple(answers))])
    (asked,) = requests_of(here.batch(2))
    assert asked.tokens == wanted.tokens
    assert asked.text_bytes == wanted.text_bytes
    assert asked.turn is not None
    assert (asked.turn.known, asked.turn.read_from) == (True, 2)
    known = here.before(0, 2)
    assert known is not None
    assert known.recalled
    assert known.cache is None
    assert asked.tokens[:10] == first.tokens


def test_a_turn_of_a_lost_node_is_a_batch_after_all_own_ones() -> None:
    node = made()
    node.recall([Recalled(5, 1, 4, (Answer(0, (7, 8, 9), 12),), "n9", 0, 3.0)])
    (asked,) = requests_of(node.batch(4))
    assert asked.turn is not None
    assert (asked.turn.conversation, asked.turn.turn, asked.turn.known) == (5, 1, True)
    assert asked.tokens[10:13] == [7, 8, 9]


@pytest.mark.parametrize("words", [(7, 8), (7, 8, 2**31), ()])
def test_an_answer_that_cannot_be_part_of_the_prompt_is_not_used(words: tuple[int, ...]) -> None:
    node = made()
    node.recall([Recalled(0, 1, 1, (Answer(0, words, 12),))])
    (asked,) = requests_of(node.batch(1))
    assert asked.turn is not None
    assert not asked.turn.known


def test_what_was_answered_here_goes_before_what_the_ledger_has() -> None:
    node = made()
    before = spoken(node, 0)
    node.recall([Recalled(0, 1, 1, (Answer(0, (1, 2, 3), 12),))])
    node.keep(0, 1, before)
    assert node.before(0, 1) == before
