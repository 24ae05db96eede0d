"""Claims judged on curves whose answer is known."""

from __future__ import annotations

import numpy as np

from experiments.studies.tree.claims import CLAIMS, Claim, Judgement, judge
from experiments.studies.tree.settings import grid

SEEDS = 10
FIGURES = ("ee", "tree", "tokens", "server_w", "memory_w", "prefill_w", "vu_per_s", "ai_bits_per_s")


def claim_named(name: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.name == name)


def judge_curves(name: str, noise: float = 0.0, **curves: list[tuple[float, float]]) -> Judgement:
    """Piecewise linear curves over the grid's positions, with noise per seed; what is not given is constant."""
    claim = claim_named(name)
    x = np.log(np.array(grid(claim.sweep)))
    rng = np.random.default_rng(0)
    values = {}
    for figure in FIGURES:
        places, heights = zip(*curves.get(figure, [(grid(claim.sweep)[0], 1.0)]), strict=True)
        shape = np.interp(x, np.log(np.array(places)), heights)
        values[figure] = shape * (1.0 + noise * rng.standard_normal((SEEDS, len(x))))
    return judge(claim, values)
