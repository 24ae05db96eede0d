"""Shamir's secret sharing (1979, doi:10.1145/359168.359176) of 32 bytes, in the field of PRIME."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

PRIME = 2**521 - 1
"""A Mersenne prime above every secret of 32 bytes."""
SECRET_BYTES = 32
SHARE_BYTES = 66
"""Of a number below PRIME."""


def split(secret: bytes, points: int, threshold: int) -> list[bytes]:
    """Shares at the points 1 to ``points``, of which any ``threshold`` give the secret and fewer say nothing.

    Raises ValueError for a secret of another length, or a threshold outside 1..points."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret of {len(secret)} bytes; needed are {SECRET_BYTES}")
    if not 1 <= threshold <= points:
        raise ValueError(f"threshold is {threshold}; allowed is 1 to {points}")
    coefficients = [int.from_bytes(secret), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    return [_at(coefficients, point).to_bytes(SHARE_BYTES) for point in range(1, points + 1)]


def combine(shares: Mapping[int, bytes]) -> bytes:
    """The secret, from shares by point (as many as the threshold, or more).

    Raises ValueError for shares that are not of one secret, as far as that shows."""
    points = {point: int.from_bytes(share) for point, share in shares.items()}
    total = 0
    for point, value in points.items():
        above = below = 1
        for other in points:
            if other != point:
                above = above * other % PRIME
                below = below * (other - point) % PRIME
        total = (total + value * above * pow(below, -1, PRIME)) % PRIME
    if total >= 1 << (8 * SECRET_BYTES):
        raise ValueError("the shares are not of one secret, or too few")
    return total.to_bytes(SECRET_BYTES)


def _at(coefficients: list[int], point: int) -> int:
    total = 0
    for coefficient in reversed(coefficients):
        total = (total * point + coefficient) % PRIME
    return total
