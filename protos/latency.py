"""Distribution of latencies as counts in logarithmic bins of 2 % width, which can be sent and added.

Percentiles over several nodes or slots cannot be computed from the percentiles of each; from added counts they can,
within 1 % (the bins of DDSketch: Masson, Rim and Lee, VLDB 2019, with gamma = 1.02). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

GAMMA = 1.02
UNIT_S = 1e-6
"""Everything up to a microsecond is in bin 0."""
LAST_BIN = 2000
"""The last bin begins at 1e11 s and also counts all longer latencies."""


def bin_of(latency_s: float) -> int:
    """Bin k holds latencies in (UNIT_S * GAMMA**(k-1), UNIT_S * GAMMA**k]."""
    if not latency_s >= 0:
        raise ValueError(f"latency is {latency_s} s; allowed is >= 0")
    if latency_s <= UNIT_S:
        return 0
    return min(LAST_BIN, math.ceil(math.log(latency_s / UNIT_S) / math.log(GAMMA)))


def latency_of(bin_number: int) -> float:
    """Representative latency of a bin in seconds: within 1 % of every latency in it."""
    return UNIT_S if bin_number == 0 else float(UNIT_S * 2.0 * GAMMA**bin_number / (GAMMA + 1.0))


def count(latencies_s: Iterable[float]) -> dict[int, int]:
    """Counts by bin, ascending."""
    counts: dict[int, int] = {}
    for latency in latencies_s:
        k = bin_of(float(latency))
        counts[k] = counts.get(k, 0) + 1
    return dict(sorted(counts.items()))


def add(several: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Counts added up by bin, ascending."""
    total: dict[int, int] = {}
    for counts in several:
        for k, number in counts.items():
            total[k] = total.get(k, 0) + number
    return dict(sorted(total.items()))


def quantile(counts: Mapping[int, int], fraction: float) -> float | None:
    """Latency in seconds that ``fraction`` (0..1) of the requests do not exceed; None without requests."""
    total = sum(counts.values())
    if not total:
        return None
    rank, seen = max(1, math.ceil(fraction * total)), 0
    for k in sorted(counts):
        seen += counts[k]
        if seen >= rank:
            return latency_of(k)
    raise AssertionError("counts add up to less than their sum")


def exact_quantile(ascending_s: Sequence[float], fraction: float) -> float | None:
    """The same from the latencies themselves: the nearest rank, always one of them."""
    if not len(ascending_s):
        return None
    return float(ascending_s[max(1, math.ceil(fraction * len(ascending_s))) - 1])
