"""Masks, and updates as whole numbers in the ring of MODULUS, in which masks cancel.

An update u (by value, |u| <= LARGEST) with weight w becomes round(w u 2^bits) modulo 2^32; the sum over nodes is read
as a signed number. ``bits`` is chosen so that no sum of nodes leaves the ring, and so the sum is exact but for one
rounding a node: the mean of n updates of weight W in all errs by at most n / (2^(bits + 1) W) in each value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

MODULUS = 2**32
VALUE_BYTES = 4
LARGEST = 8.0
"""[C] Largest change of a single parameter in a round that can be sent: training with finite losses stays far below."""
MOST_BITS = 40

Ring = NDArray[np.uint32]


def mask(key: bytes, values: int) -> Ring:
    """(values,) numbers drawn evenly from the ring: the key stream of ChaCha20. One mask a key."""
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(VALUE_BYTES * values))
    return np.frombuffer(stream, "<u4")


def scale_bits(most_weight: float, nodes: int) -> int:
    """Binary places such that updates of ``nodes`` nodes with at most ``most_weight`` in all fit into the ring.

    Raises ValueError where not even whole numbers fit."""
    bits = math.floor(math.log2((MODULUS // 2 - nodes - 1) / (most_weight * LARGEST)))
    if bits < 0:
        raise ValueError(f"a weight of {most_weight:g} in all leaves no room in {MODULUS} whole numbers")
    return min(bits, MOST_BITS)


def to_ring(update: NDArray[np.float64], weight: float, bits: int) -> Ring:
    """An update (values,) times its weight. Raises ValueError for values that are not finite, or beyond LARGEST."""
    largest = float(np.abs(update).max(initial=0.0))
    if not largest <= LARGEST:
        raise ValueError(
            f"the update has a value of {largest:g}; allowed are {LARGEST:g}: lower task.learning_rate"
        )
    return np.rint(update * (weight * 2.0**bits)).astype(np.int64).astype(np.uint32)


def from_ring(total: Ring, weight: float, bits: int) -> NDArray[np.float64]:
    """The weighted mean of updates, from their sum in the ring and the sum of their weights."""
    return total.astype(np.int32).astype(np.float64) / (weight * 2.0**bits)


def add(arrays: Iterable[Ring], values: int) -> Ring:
    """Sum in the ring."""
    total = np.zeros(values, np.uint32)
    for array in arrays:
        total += array
    return total


def error_bound(nodes: int, weight: float, bits: int) -> float:
    """Largest difference, in a value, of the mean from that of the updates themselves."""
    return nodes / (2.0 ** (bits + 1) * weight)
