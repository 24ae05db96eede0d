"""Calls of one server by token: read a prompt, write after it, and how probable it takes a given token to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests

from edge_node.language.server import LanguageServer
from experiments.errors import RunError

TIMEOUT_S = 600.0
SURE = 1e4
"""Added to the logit of a token that must come; reported probabilities are those before it."""
LEAST_CONTEXT = 256
"""That the server has."""
SPARE = 8


def room_for(tokens: int) -> int:
    """Context of a server that reads and writes so many."""
    return max(LEAST_CONTEXT, tokens + SPARE)


class Calls:
    """Of ``server``, over one connection for each thread that calls."""

    def __init__(self, server: LanguageServer) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.trust_env = False  # it is on this machine

    def tokens(self, text: str) -> list[int]:
        """``text`` as the model's vocabulary has it, without anything around it."""
        return [int(token) for token in self._asked("/tokenize", {"content": text})["tokens"]]

    def text(self, tokens: Sequence[int]) -> str:
        """What ``tokens`` say."""
        return str(self._asked("/detokenize", {"tokens": list(tokens)})["content"])

    def complete(
        self, tokens: Sequence[int], count: int, *, cached: bool = False, slot: int = 0
    ) -> dict[str, Any]:
        """``count`` greedy tokens; 0 reads the prompt alone. ``cached``: what the slot has read counts."""
        return self._asked(
            "/completion",
            {
                "prompt": list(tokens),
                "n_predict": count,
                "temperature": 0,
                "ignore_eos": True,
                "id_slot": slot,
                "return_tokens": True,
                "cache_prompt": cached,
            },
        )

    def log_probability(self, tokens: Sequence[int], following: int) -> float:
        """Natural logarithm of the probability that ``following`` comes after ``tokens``; what the slot has read of
        them counts."""
        told = self._asked(
            "/completion",
            {
                "prompt": list(tokens),
                "n_predict": 1,
                "temperature": 0,
                "id_slot": 0,
                "cache_prompt": True,
                "n_probs": 1,
                "logit_bias": [[following, SURE]],
            },
        )
        (found,) = told["completion_probabilities"]
        if found["id"] != following:
            raise RunError(f"{self.server.url} wrote token {found['id']} where {following} was asked for")
        return float(found["logprob"])

    def _asked(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._session.post(self.server.url + path, json=body, timeout=TIMEOUT_S)
            answer.raise_for_status()
            told: dict[str, Any] = answer.json()
        except requests.RequestException as error:
            raise RunError(f"{self.server.model.name} at {self.server.url}{path}: {error}") from error
        return told
