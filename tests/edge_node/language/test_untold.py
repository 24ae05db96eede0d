"""Tokens of an answer that the stream did not tell: out of the file of the server's cache."""

from __future__ import annotations

import struct
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from edge_node.language.ask import Said
from edge_node.language.prompt_cache import CacheError, Kin, PromptCache
from edge_node.language.untold import MAGIC, whole_answer

PROMPT = [5, 6, 7]
AGAIN = Said(5, 1, 1, 0.1, 0.0, 0.1, 0.1, 0, 90, "", (9,), (1,))


def cache(*read: int, magic: int = MAGIC, before: tuple[int, ...] = (-1, 1)) -> PromptCache:
    """As a server saves it since state version 4; ``before`` () as earlier."""
    words = [*before, len(read), *read, 0] if before else list(read)
    content = struct.pack(f"<III{len(words)}i", magic, 4, len(words), *words) + bytes(500)
    return PromptCache(Kin("m", "b", 1), len(read), content, "")


def said(tokens_out: int, **told: int) -> Said:
    """``told``: at_PLACE = token."""
    places = tuple(int(name.removeprefix("at_")) for name in told)
    return Said(0, 3, tokens_out, 0.1, 0.1, 0.1, 0.2, 3, 100, "", tuple(told.values()), places)


def server(last: int) -> Any:
    asked: list[list[int]] = []

    def ask_in_one(tokens: list[int], answer_tokens: int) -> Said:
        assert answer_tokens == 1
        asked.append(list(tokens))
        return replace(AGAIN, tokens=(last,))

    return SimpleNamespace(ready=lambda: SimpleNamespace(ask_in_one=ask_in_one), asked=asked)


@pytest.mark.parametrize("before", [(-1, 1), ()])
def test_the_last_token_is_asked_for_where_it_was_not_told(before: tuple[int, ...]) -> None:
    one = server(9)
    found, again = whole_answer(one, PROMPT, said(4, at_2=21), cache(*PROMPT, 20, 21, 22, before=before))
    assert again == AGAIN
    assert (found.tokens, found.places) == ((20, 21, 22, 9), (1, 2, 3, 4))
    assert one.asked == [[*PROMPT, 20, 21, 22]]
    known = said(4, at_2=21, at_4=8)
    told, again = whole_answer(one, PROMPT, known, cache(*PROMPT, 20, 21, 22, before=before))
    assert (told.tokens, again) == ((20, 21, 22, 8), None)
    assert len(one.asked) == 1


def test_an_answer_that_was_told_is_left_alone() -> None:
    found = said(2, at_1=20, at_2=21)
    assert whole_answer(server(9), PROMPT, found, cache(magic=0)) == (found, None)


@pytest.mark.parametrize(
    "other",
    [
        cache(*PROMPT, 20, 30, 22),
        cache(5, 6, 8, 20, 21, 22),
        cache(*PROMPT, 20),
        cache(*PROMPT, 20, 21, 22, magic=1),
        PromptCache(Kin("m", "b", 1), 6, b"short", ""),
    ],
)
def test_a_cache_of_another_text_or_form_has_no_answer(other: PromptCache) -> None:
    with pytest.raises(CacheError):
        whole_answer(server(9), PROMPT, said(4, at_2=21), other)
