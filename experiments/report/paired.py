"""Tests of paired differences: Wilcoxon's signed ranks, Holm's correction, and which difference so many pairs can show.

Sources: F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945), exact, zeros left out,
ties with their mean rank; S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979);
power of the t test by the noncentral t distribution, J. Cohen, "Statistical power analysis" (1988).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import nctdtr, stdtrit

SIGNIFICANCE, POWER = 0.05, 0.8
FEWEST_PAIRS = 6
"""With fewer no two-sided signed-rank test can give a value below 0.05: the least is 2 / 2^n."""
EXACT_PAIRS = 50
"""Beyond, ranks are nearly normal, and counting them exactly takes long."""
MOST_PAIRS = 1_000_000


def signed_rank_p(differences: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test that the differences lie around 0; None where all are 0 or there are
    none."""
    values = np.asarray([value for value in differences if value != 0], dtype=np.float64)
    if values.size == 0:
        return None
    # twice the mean rank of each size: whole numbers, also where sizes tie
    sizes = np.abs(values)
    ranks = (sizes[:, None] > sizes).sum(axis=1) * 2 + (sizes[:, None] == sizes).sum(axis=1) + 1
    found, most = int(ranks[values > 0].sum()), int(ranks.sum())
    least = min(found, most - found)
    if values.size > EXACT_PAIRS:
        deviation = math.sqrt(float((ranks.astype(np.float64) ** 2).sum()) / 4)
        return min(1.0, math.erfc((most / 2 - least) / deviation / math.sqrt(2)))
    ways = np.zeros(most + 1)
    ways[0] = 1.0
    for rank in ranks:  # number of sign patterns by the sum of their positive ranks
        ways[rank:] = ways[rank:] + ways[:-rank]
    return min(1.0, 2.0 * float(ways[: least + 1].sum()) / 2.0**values.size)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p values corrected so that with the probability of SIGNIFICANCE at most one of all is wrongly below it."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        corrected[place] = largest
    return corrected


def power_of(difference: float, sd: float, pairs: int) -> float:
    """Probability that a two-sided paired t test of SIGNIFICANCE finds ``difference`` where pairs scatter by ``sd``."""
    if sd == 0:
        return 1.0 if difference else SIGNIFICANCE
    edge = float(stdtrit(pairs - 1, 1 - SIGNIFICANCE / 2))
    shift = abs(difference) / sd * math.sqrt(pairs)
    above = float(nctdtr(pairs - 1, shift, edge))
    below = float(nctdtr(pairs - 1, shift, -edge))
    if math.isnan(above):
        return 1.0  # so far beyond the edge that the series no longer converges
    return 1.0 - above + (0.0 if math.isnan(below) else below)


def visible_difference(sd: float | None, pairs: int) -> float | None:
    """Smallest difference that such a test finds with POWER; None with one pair, whose scatter is not known."""
    if sd is None or pairs < 2:
        return None
    if sd == 0:
        return 0.0
    low, high = 0.0, sd
    while power_of(high, sd, pairs) < POWER:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if power_of(middle, sd, pairs) < POWER else (low, middle)
    return high


def pairs_needed(difference: float, sd: float | None) -> int | None:
    """Pairs from which on ``difference`` is found with POWER; None where the scatter is not known, or more than
    MOST_PAIRS would do."""
    if sd is None or not difference > 0:
        return None
    low, high = 1, 2
    while power_of(difference, sd, high) < POWER:
        low, high = high, 2 * high
        if high > MOST_PAIRS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power_of(difference, sd, middle) < POWER else (low, middle)
    return high
