"""What reading a prompt and a step of writing cost on one board, fitted to measurements; the error is of others. Pure.

Reading n tokens: a + b n + c n^2 / 2. A step that writes one token for each of B requests whose contexts are ctx long:
a + b B + c B ctx. Two parameters (operations and bytes) do not do for small models: attention is most of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Coefficients = tuple[float, float, float]
"""a, b and c of either."""


def prefill_cost(coefficients: Coefficients, tokens: float) -> float:
    """Of reading a prompt."""
    a, b, c = coefficients
    return a + b * tokens + c * tokens**2 / 2


def step_cost(coefficients: Coefficients, requests: float, context: float) -> float:
    """Of one token for each of ``requests``, their contexts ``context`` tokens long."""
    a, b, c = coefficients
    return a + b * requests + c * requests * context


def answer_cost(coefficients: Coefficients, requests: float, tokens_in: float, tokens_out: float) -> float:
    """Of ``tokens_out`` steps after prompts of ``tokens_in``: contexts at their mean length."""
    return tokens_out * step_cost(coefficients, requests, tokens_in + (tokens_out - 1) / 2)


@dataclass(frozen=True, slots=True)
class Prefill:
    """A prompt of ``tokens`` took ``cost`` (CPU seconds, or joules)."""

    tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class Step:
    """A step of writing for ``requests`` at once, their contexts ``context`` tokens long, took ``cost``."""

    requests: int
    context: float
    cost: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """Coefficients a, b, c, and how far those measurements are off that were not fitted."""

    coefficients: Coefficients
    held_out: int
    mean_error_fraction: float
    worst_error_fraction: float


def fit_prefill(measured: Sequence[Prefill]) -> Fitted:
    """Every other length is held out. Raises ValueError with fewer than six lengths."""
    return _fit(
        np.array([(1.0, one.tokens, one.tokens**2 / 2) for one in measured]),
        np.array([one.cost for one in measured]),
    )


def fit_step(measured: Sequence[Step]) -> Fitted:
    """Every other measurement is held out. Raises ValueError with fewer than six."""
    return _fit(
        np.array([(1.0, one.requests, one.requests * one.context) for one in measured]),
        np.array([one.cost for one in measured]),
    )


def _fit(rows: NDArray[np.float64], costs: NDArray[np.float64]) -> Fitted:
    if len(costs) < 6:
        raise ValueError(
            f"{len(costs)} measurements; at least 6 are needed: half are fitted, half are held out"
        )
    if not (costs > 0).all():
        raise ValueError(f"a cost of {costs.min():g}; allowed is > 0")
    learned, tried = slice(0, None, 2), slice(1, None, 2)
    found, *_ = np.linalg.lstsq(
        rows[learned] / costs[learned, None], np.ones(len(costs[learned])), rcond=None
    )
    errors = np.abs(rows[tried] @ found / costs[tried] - 1.0)
    a, b, c = (float(value) for value in found)
    return Fitted((a, b, c), len(errors), float(errors.mean()), float(errors.max()))
