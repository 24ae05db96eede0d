"""What a request costs by its tokens: a linear model, fitted on one half of the requests and tried on the other. Pure.

Joules of a request = a + b in + c out + d out (in + out / 2): a share of every request, of every token read, of every
token written, and of every token written for every token before it, which attention looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TERMS = ("per_request_j", "per_token_in_j", "per_token_out_j", "per_token_out_and_context_j")


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: tokens read and written, and its joules."""

    tokens_in: int
    tokens_out: int
    energy_j: float


@dataclass(frozen=True, slots=True)
class Cost:
    """A fitted model. Terms that the requests cannot tell apart are left out."""

    terms: dict[str, float]
    """Of TERMS, in joules."""
    fitted: int
    held_out: int
    mean_error_fraction: float | None
    """Mean absolute error of the held-out requests as a share of their joules; None: none was held out."""
    worst_error_fraction: float | None

    def joules(self, tokens_in: int, tokens_out: int) -> float:
        row = _terms_of(tokens_in, tokens_out)
        return sum(value * row[TERMS.index(name)] for name, value in self.terms.items())


def _terms_of(tokens_in: int, tokens_out: int) -> tuple[float, ...]:
    return 1.0, float(tokens_in), float(tokens_out), tokens_out * (tokens_in + tokens_out / 2)


def _rows(samples: Sequence[Sample]) -> NDArray[np.float64]:
    return np.array([_terms_of(one.tokens_in, one.tokens_out) for one in samples], dtype=np.float64)


def fit(samples: Sequence[Sample]) -> Cost | None:
    """Every other request is held out. Least squares of relative errors; None with fewer than two kinds of requests, or
    where a request took no energy."""
    kinds = {(one.tokens_in, one.tokens_out) for one in samples}
    if len(kinds) < 2 or any(one.energy_j <= 0 for one in samples):
        return None
    learned, tried = (samples[::2], samples[1::2]) if len(samples) >= 2 * len(TERMS) else (samples, ())
    rows = _rows(learned)
    names = _told_apart(rows)
    columns = [TERMS.index(name) for name in names]
    energies = np.array([one.energy_j for one in learned])
    scaled = rows[:, columns] / energies[:, None]
    found, *_ = np.linalg.lstsq(scaled, np.ones(len(learned)), rcond=None)
    cost = Cost(
        dict(zip(names, (float(value) for value in found), strict=True)), len(learned), len(tried), None, None
    )
    if not tried:
        return cost
    errors = [abs(cost.joules(one.tokens_in, one.tokens_out) / one.energy_j - 1.0) for one in tried]
    return Cost(cost.terms, len(learned), len(tried), float(np.mean(errors)), max(errors))


ORDER = ("per_token_in_j", "per_token_out_j", "per_request_j", "per_token_out_and_context_j")
"""In which terms are taken in, as long as the requests tell each from those before."""


def _told_apart(rows: NDArray[np.float64]) -> list[str]:
    """Terms whose columns are independent; no more than there are kinds of requests."""
    kept: list[str] = []
    kinds = len(np.unique(rows, axis=0))
    for name in ORDER[:kinds]:
        columns = [TERMS.index(one) for one in (*kept, name)]
        chosen = rows[:, columns]
        norms = np.linalg.norm(chosen, axis=0)
        if norms.all() and np.linalg.cond(chosen / norms) < CONDITION:
            kept.append(name)
    return kept


CONDITION = 1e3
"""Above it, columns of unit length count as dependent: noise of a percent would become coefficients of any size."""
