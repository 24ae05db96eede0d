"""Turns of conversations on two real servers: kept, continued with another node's cache, read again, lost."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_node.config import ConversationConfig, LanguageConfig, UserTurn
from edge_node.language import untold
from edge_node.workload import HANDED, Arrays, RequestUse
from protos.messages.parcels import HandedPrompt
from protos.messages.slot import Answer, Recalled
from protos.messages.terms import Component, RequestPart, Stage
from tests.edge_node.language.real_node import CHINESE, real_config, tokens_of, two_nodes
from tests.edge_node.language.real_node import Node as PlainNode

pytestmark = pytest.mark.processes

TOLD = ConversationConfig(first_tokens=40, message_tokens=12, answer_tokens=6)
TURNS = 4
OWN = tuple(UserTurn(conversation=c, turn=k, at="n0") for c in range(4) for k in range(TURNS))
"""Turn k of conversation c is batch 4 c + k, at either node."""


@pytest.fixture(scope="module")
def config() -> LanguageConfig:
    return real_config(
        prompt_tokens=60,
        longest_tokens=TOLD.prompt_tokens(TURNS - 1),
        lengths=tuple((TOLD.prompt_tokens(each.turn), 6) for each in OWN),
        conversations=TOLD.model_copy(update={"own": OWN}),
    )


EMPTY: dict[str, Any] = {
    "batch_id": 0,
    "place": 0,
    "tokens": 0,
    "first_token": 0,
    "first_text": b"",
    "read_s": 0.0,
    "kin": "none",
    "sha256": hashlib.sha256(b"").hexdigest(),
    "cache": b"",
}
"""A prompt without its cache: the turn is read as a whole."""


class Node(PlainNode):
    def turn(self, conversation: int, turn: int) -> RequestUse:
        """An own one."""
        (use,) = self.infer(TURNS * conversation + turn).uses
        return use

    def asked(self, conversation: int, turn: int) -> Arrays:
        return self.work.batch(TURNS * conversation + turn, Stage.APPLICATION)

    def hand(self, conversation: int, turn: int) -> HandedPrompt:
        (found,) = self.work.read(self.asked(conversation, turn))
        assert found.use is None
        assert found.prompt is not None
        return found.prompt

    def take(self, batch: Arrays, prompt: HandedPrompt | None) -> RequestUse:
        """Another node's turn."""
        handed = np.empty(1, dtype=object)
        handed[:] = [prompt]
        self.meter.begin()
        (use,) = self.work.infer({}, [batch if prompt is None else {**batch, HANDED: handed}]).uses
        return use


@pytest.fixture
def pair(config: LanguageConfig) -> Iterator[tuple[Node, Node]]:
    with two_nodes(Node, config) as made:
        yield made


def counts(use: RequestUse) -> tuple[RequestPart, int, int, int]:
    return use.part, use.cached_tokens, use.prefilled_tokens, use.tokens_out


def test_a_conversation_goes_on_where_its_user_stays_and_where_the_user_goes(pair: tuple[Node, Node]) -> None:
    one, two = pair
    assert counts(one.turn(0, 0)) == (RequestPart.WHOLE, 0, 40, 6)
    assert counts(one.turn(1, 0)) == (RequestPart.WHOLE, 0, 40, 6)  # another user in between
    assert counts(one.turn(0, 1)) == (RequestPart.KEPT, 45, 13, 6)
    prompt = one.hand(0, 2)
    assert prompt.tokens == TOLD.history_tokens(2) == 63
    assert len(prompt.cache) == pytest.approx(63 * 23_040, rel=0.005)
    use = two.take(one.asked(0, 2), prompt)
    assert counts(use) == (RequestPart.CONTINUED, 63, 13, 6)
    assert use.cache_bytes == len(prompt.cache)
    assert use.same is True  # the conversation gone through again, without the cache
    assert two.energies()[Stage.APPLICATION, Component.WASTE] > 0
    assert counts(two.turn(0, 3)) == (RequestPart.KEPT, 81, 13, 6)
    same, text = (
        node.asked(0, 3)["tokens"] for node in (two, one)
    )  # the node that was left knows no later answer
    assert not np.array_equal(same, text)


def test_by_decision_a_conversation_is_read_again_from_its_text(pair: tuple[Node, Node]) -> None:
    one, two = pair
    one.turn(0, 0)
    use = two.take(one.asked(0, 1), None)
    assert counts(use) == (RequestPart.READ_AGAIN, 0, 58, 6)
    assert use.cache_bytes == 0
    assert counts(two.turn(0, 2)) == (RequestPart.KEPT, 63, 13, 6)


@pytest.mark.parametrize("broken", ["kin", "content", "tokens", "nothing"])
def test_a_cache_that_cannot_be_used_is_counted_and_the_turn_answered(
    pair: tuple[Node, Node], broken: str
) -> None:
    one, two = pair
    one.turn(0, 0)
    prompt = one.hand(0, 1)
    changes = {
        "kin": {"kin": "another"},
        "content": {"cache": prompt.cache[:-1] + b"x"},
        "tokens": {"tokens": prompt.tokens - 1},
        "nothing": {"cache": b"", "tokens": 0},
    }[broken]
    use = two.take(one.asked(0, 1), replace(prompt, **changes))
    assert counts(use) == (RequestPart.FELL_BACK, 0, 58, 6)
    assert not use.failed


def test_what_no_node_has_is_lost_and_answered_with_passages(pair: tuple[Node, Node]) -> None:
    one, two = pair
    assert counts(one.turn(2, 2)) == (RequestPart.LOST, 0, 76, 6)
    assert two.hand(3, 1).cache == b""
    assert counts(one.take(two.asked(3, 1), two.hand(3, 1))) == (RequestPart.LOST, 0, 58, 6)


def test_a_server_that_died_gets_its_cache_back(pair: tuple[Node, Node]) -> None:
    one, _ = pair
    one.turn(0, 0)
    assert one.server.pid is not None
    os.kill(one.server.pid, signal.SIGKILL)
    assert counts(one.turn(0, 1)) == (RequestPart.KEPT, 45, 13, 6)
    assert one.server.restarts == 1


def test_a_lost_conversation_is_read_again_with_the_answers_of_the_ledger(pair: tuple[Node, Node]) -> None:
    """The answer is the one of a node that reads the whole conversation; what it read and wrote is in the use."""
    one, two = pair
    said = [one.turn(0, turn) for turn in range(2)]
    assert [len(use.answer) for use in said] == [6, 6]
    answers = tuple(Answer(turn, use.answer, use.answer_bytes) for turn, use in enumerate(said))
    two.work.recall([Recalled(0, 2, 2, answers)])
    assert two.asked(0, 2)["tokens"].tolist() == one.asked(0, 2)["tokens"].tolist()
    use = two.turn(0, 2)
    assert counts(use) == (RequestPart.RECALLED, 0, 76, 6)
    assert use.answer == one.take(one.asked(0, 2), HandedPrompt(**EMPTY)).answer
    assert counts(two.turn(0, 3)) == (RequestPart.KEPT, 81, 13, 6)


def test_a_turn_goes_on_from_one_that_was_asked_again_in_the_same_slot(pair: tuple[Node, Node]) -> None:
    """Batches of a slot are made before the first of them is answered."""
    one, two = pair
    first = one.turn(0, 0)
    number = len(OWN)
    two.work.recall([Recalled(0, 1, number, (Answer(0, first.answer, first.answer_bytes),), "n9", 0, 1.0)])
    late, own = two.work.batch(number, Stage.APPLICATION), two.asked(0, 2)
    assert counts(two.take(late, None)) == (RequestPart.RECALLED, 0, 58, 6)
    assert counts(two.take(own, None)) == (RequestPart.KEPT, 63, 13, 6)


def chinese(one: Node) -> Arrays:
    """Turn 0 of conversation 0, in signs of several tokens."""
    batch = dict(one.asked(0, 0))
    batch["tokens"] = np.zeros_like(batch["tokens"])
    batch["tokens"][0, :40] = tokens_of(one, CHINESE)[:40]
    return batch


def test_a_conversation_in_signs_of_several_tokens_goes_on(pair: tuple[Node, Node]) -> None:
    """A token that ends within a character is in no event of the stream."""
    one, two = pair
    batch = chinese(one)
    said = one.server.ready().ask(batch["tokens"][0, :40].tolist(), 6, with_tokens=True, cached=False)
    assert len(said.tokens) < said.tokens_out == 6
    use = one.take(batch, None)
    assert (use.failed, use.tokens_out, len(use.answer)) == ("", 6, 6)
    assert [use.answer[place - 1] for place in said.places] == list(said.tokens)
    assert counts(one.turn(0, 1)) == (RequestPart.KEPT, 45, 13, 6)
    moved = two.take(one.asked(0, 2), one.hand(0, 2))
    assert (counts(moved), moved.same) == ((RequestPart.CONTINUED, 63, 13, 6), True)


def test_an_answer_whose_tokens_are_not_all_known_is_no_text_to_go_on_from(
    pair: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a server whose file of a cache has another form."""
    one, _ = pair
    monkeypatch.setattr(untold, "MAGIC", 0)
    use = one.take(chinese(one), None)
    assert (use.failed, use.tokens_out) == ("", 6)
    assert len(use.answer) < 6
    assert counts(one.turn(0, 1)) == (RequestPart.LOST, 0, 58, 6)
    assert counts(one.turn(0, 2)) == (RequestPart.KEPT, 63, 13, 6)
