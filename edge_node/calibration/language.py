"""What a language model's tokens cost on this board: prompts of several lengths, and steps of several batches and
contexts, each in a window of a meter; the cost model is fitted on half of them, and judged by the other half."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import requests

from edge_node.calibration.reading import CalibrationError
from edge_node.language.prompts import tokenised
from edge_node.language.server import LanguageServer
from edge_node.language.step_cost import Fitted, Prefill, Step, fit_prefill, fit_step

LENGTHS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Tokens of prompts."""
CONTEXTS = (64, 256, 512, 1024)
"""Tokens before those that are written."""
BATCHES = (1, 2, 4, 8)
"""Requests that are answered at the same time."""
STEPS = 32
"""Written for each."""
TIMEOUT_S = 600.0
Tell = Callable[[str], None]


class Window(Protocol):
    """Opens a window of a meter; what comes back ends it and gives the joules in it above rest."""

    def __call__(self) -> Callable[[], float]: ...


@dataclass(frozen=True, slots=True)
class Grid:
    """What is measured."""

    lengths: Sequence[int] = LENGTHS
    contexts: Sequence[int] = CONTEXTS
    batches: Sequence[int] = BATCHES
    steps: int = STEPS

    @property
    def context_tokens(self) -> int:
        """That a server's slot must have room for."""
        return max(*self.lengths, max(self.contexts) + self.steps) + 8

    @property
    def size(self) -> int:
        return len(self.lengths) + len(self.contexts) * len(self.batches)


@dataclass(frozen=True, slots=True)
class TokenCost:
    """Joules: of reading n tokens a + b n + c n^2 / 2, of a step for B requests of context ctx a + b B + c B ctx."""

    prefill: Fitted
    step: Fitted
    prefills: tuple[Prefill, ...]
    steps: tuple[Step, ...]


def measure_tokens(server: LanguageServer, window: Window, grid: Grid, tell: Tell) -> TokenCost:
    """Measure ``grid`` on ``server``, which has as many slots as its largest batch.

    Raises:
        CalibrationError: a server that gives no answer, a window without a reading above zero, fewer than six of
            either kind.
    """
    asking = _Asking(server)
    try:
        prefills = [_prefill(asking, window, length, tell) for length in grid.lengths]
        steps = [
            _steps(asking, window, context, batch, grid.steps, tell)
            for context in grid.contexts
            for batch in grid.batches
        ]
        # Neighbours alternate between the halves: both have short and long ones.
        steps.sort(key=lambda one: one.requests * one.context)
        return TokenCost(fit_prefill(prefills), fit_step(steps), tuple(prefills), tuple(steps))
    except (OSError, ValueError) as error:
        raise CalibrationError(f"tokens cannot be measured: {error}") from error


class _Asking:
    """Requests by slot, of passages that no slot has read."""

    def __init__(self, server: LanguageServer) -> None:
        self._url, self._session = server.url, requests.Session()
        self._session.trust_env = False
        self._text = tokenised(server.url).tokens.tolist()
        self._begun = 0

    def passage(self, tokens: int) -> list[int]:
        """Another one each time."""
        self._begun = (self._begun + 977) % (len(self._text) - tokens)
        return list(self._text[self._begun : self._begun + tokens])

    def complete(self, prompt: Sequence[int], tokens: int, slot: int = 0) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "prompt": list(prompt),
            "n_predict": tokens,
            "temperature": 0,
            "ignore_eos": True,
            "id_slot": slot,
            "cache_prompt": True,
        }
        answer = self._session.post(f"{self._url}/completion", json=asked, timeout=TIMEOUT_S)
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told


def _prefill(asking: _Asking, window: Window, length: int, tell: Tell) -> Prefill:
    prompt = asking.passage(length)
    close = window()
    told = asking.complete(prompt, 0)
    found = Prefill(int(told["timings"]["prompt_n"]), close())
    tell(f"reading {length} tokens")
    return found


def _steps(asking: _Asking, window: Window, context: int, batch: int, count: int, tell: Tell) -> Step:
    """What was read before is cached: a window has the steps, and a pass over a last token."""
    prompts = [asking.passage(context) for _ in range(batch)]
    with ThreadPoolExecutor(batch) as pool:

        def together(tokens: int) -> None:
            calls = [
                pool.submit(partial(asking.complete, prompt, tokens, slot))
                for slot, prompt in enumerate(prompts)
            ]
            for call in calls:
                call.result()

        together(0)
        close = window()
        together(count)
        joules = close()
    tell(f"writing for {batch} after {context} tokens")
    return Step(batch, context + count / 2, joules / count)
