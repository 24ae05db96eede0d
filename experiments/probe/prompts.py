"""Prompts of a wanted length that no server has seen: words of Python's own documentation, drawn for each."""

from __future__ import annotations

import random
import re
from pydoc_data.topics import topics

from experiments.errors import RunError
from experiments.probe.server import ModelServer

FEW, MANY = 16, 144
"""Words of the two prompts from whose token counts the others' lengths follow."""
SHORTEST, LONGEST = 4, 10
"""Letters of a word: common words, about one token each in most vocabularies."""


class Prompts:
    """Drawn from ``seed``. ``measure`` first: how many tokens a word is differs from model to model."""

    def __init__(self, seed: int) -> None:
        text = " ".join(topics.values()).lower()
        found = re.findall(rf"\b[a-z]{{{SHORTEST},{LONGEST}}}\b", text)
        self._words = sorted(set(found))
        self._draw = random.Random(seed)
        self._tokens_per_word, self._around = 1.0, 0.0

    def measure(self, server: ModelServer) -> None:
        """Ask for two answers of one token. Raises RunError where the server does not count tokens."""
        counts = []
        for words in (FEW, MANY):
            answer = server.ask(self._of_words(words), 1)
            if answer.prompt_tokens is None:
                raise RunError(
                    f"{server.url} does not say how many tokens a prompt has (usage in the last event): its joules "
                    "cannot be divided among tokens"
                )
            counts.append(answer.prompt_tokens)
        self._tokens_per_word = max((counts[1] - counts[0]) / (MANY - FEW), 0.1)
        self._around = counts[0] - FEW * self._tokens_per_word

    @property
    def around_tokens(self) -> float:
        """That the server's template puts around every prompt."""
        return self._around

    def of(self, tokens: int) -> str:
        """A prompt of about so many tokens, the template's included; at least one word."""
        return self._of_words(max(1, round((tokens - self._around) / self._tokens_per_word)))

    def _of_words(self, count: int) -> str:
        return " ".join(self._draw.choices(self._words, k=count))
