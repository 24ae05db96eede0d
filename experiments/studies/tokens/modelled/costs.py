"""Joules and seconds of requests by their tokens, from the fitted cost model of a node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats, Ints


@dataclass(frozen=True, slots=True)
class NodeCosts:
    """Reading n tokens: a + b n + c n^2 / 2 joules; a step that writes one token for each of B requests of context ctx:
    a + b B + c B ctx. A node computes for joules / ``watts`` seconds."""

    prefill: tuple[float, float, float]
    step: tuple[float, float, float]
    watts: float
    cache_bytes_per_token: float

    def read_j(self, tokens_in: Ints) -> Floats:
        """Of prompts."""
        a, b, c = self.prefill
        return np.asarray(a + b * tokens_in + c * tokens_in.astype(float) ** 2 / 2)

    def write_j(self, tokens_in: Ints, tokens_out: Ints, batch: float = 1.0) -> Floats:
        """Of answers, each written with ``batch`` requests a step. The first token comes out of reading."""
        a, b, c = self.step
        steps = np.maximum(tokens_out - 1, 0).astype(float)
        return np.asarray(steps * (a / batch + b) + c * (steps * tokens_in + steps * (steps + 1) / 2))

    def step_j(self, contexts: Floats) -> float:
        """Of one step for as many requests as there are ``contexts``."""
        a, b, c = self.step
        return float(a + b * len(contexts) + c * contexts.sum())
