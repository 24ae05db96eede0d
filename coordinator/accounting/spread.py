"""Whole amounts split in proportion, exactly: shares of joules, picograms and batches."""

from __future__ import annotations

from collections.abc import Sequence


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` split over non-negative ``weights`` in proportion, by largest remainder: exact, ties to the
    first.

    Raises ValueError when there is something to spread and nothing to spread it over.
    """
    whole = sum(weights)
    if total < 0 or any(weight < 0 for weight in weights):
        raise ValueError(f"spread of {total} over {list(weights)[:8]}: allowed are values >= 0")
    if whole == 0:
        if total:
            raise ValueError(f"{total} to spread, but the weights sum to 0")
        return [0] * len(weights)
    shares = [total * weight // whole for weight in weights]
    left = total - sum(shares)
    by_remainder = sorted(range(len(weights)), key=lambda k: (-(total * weights[k] % whole), k))
    for k in by_remainder[:left]:
        shares[k] += 1
    return shares
