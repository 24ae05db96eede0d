"""Tokens of an answer that the stream did not tell: a character of another script, or an emoji, may take several
tokens, and the stream has no event for those within it. They are in the server's cache of the answer, but for the last
token, which the server has not read: it is asked for again."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from edge_node.language.ask import Said
from edge_node.language.node_server import NodeServer
from edge_node.language.prompt_cache import CacheError, PromptCache

MAGIC = 0x67677371
"""Of a slot's saved cache: LLAMA_STATE_SEQ_MAGIC of llama.cpp (include/llama.h)."""
WORDS_BEFORE = (0, 3)
"""Between the header (magic, version, number of words) and the tokens: none, or a mark, a version and their number
(since state version 4). Which it is shows by the prompt, which must follow."""


def whole_answer(
    server: NodeServer, prompt: Sequence[int], said: Said, cache: PromptCache
) -> tuple[Said, Said | None]:
    """(``said`` with all of its tokens, what the server said when it was asked for the last one once more).

    Args:
        server: Which has just answered, and done nothing since.
        prompt: What it was asked.
        said: With the tokens that the stream told.
        cache: Of prompt and answer.

    Raises:
        CacheError: the cache does not have them, or has others than were told.
        AskError, ServerError: the server does not tell the last one.
    """
    if len(said.tokens) == said.tokens_out:
        return said, None
    again: Said | None = None
    told = dict(zip(said.places, said.tokens, strict=True))
    read = _tokens_in(cache, prompt)
    answer = read[len(prompt) :]
    if len(answer) == said.tokens_out - 1:
        last = told.get(said.tokens_out)
        if last is None:
            again = server.ready().ask_in_one(read, 1)
            last = again.tokens[0]
        answer.append(last)
    if len(answer) != said.tokens_out or any(answer[place - 1] != token for place, token in told.items()):
        raise CacheError(
            f"the cache has {len(answer)} tokens after the prompt, the answer {said.tokens_out}, or others than told"
        )
    return replace(said, tokens=tuple(answer), places=tuple(range(1, said.tokens_out + 1))), again


def _tokens_in(cache: PromptCache, prompt: Sequence[int]) -> list[int]:
    """What the slot had read, as its file begins. Raises CacheError where that is not ``prompt`` and more."""
    try:
        magic, _, words = struct.unpack_from("<III", cache.content)
        if magic == MAGIC and cache.tokens <= words <= cache.tokens + 64:
            found = struct.unpack_from(f"<{words}i", cache.content, 12)
            for skipped in WORDS_BEFORE:
                tokens = list(found[skipped : skipped + cache.tokens])
                if len(tokens) == cache.tokens and tokens[: len(prompt)] == list(prompt):
                    return tokens
    except struct.error:
        pass
    raise CacheError("the cache's tokens are in no form that is known here: its file is of another llama.cpp")
