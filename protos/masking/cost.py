"""Operations of secure aggregation, counted from its algorithms, so that its joules follow from the board's speed.

ChaCha20 (RFC 8439, section 2.3): a block of 64 bytes is ten double rounds of eight quarter rounds of twelve operations,
and sixteen additions. X25519 (RFC 7748, section 5): 255 steps of ten products of the field, and an inversion of about
265; a product is 25 products of 51-bit limbs and as many additions (Bernstein 2006, doi:10.1007/11745853_14, and its
64-bit form with five limbs). Shares: a product of 521-bit numbers is 81 products of 64-bit words, as many additions,
and a reduction.
"""

from __future__ import annotations

CHACHA_PER_BYTE = (10 * 8 * 12 + 16) / 64
AGREEMENT = (255 * 10 + 265) * 50.0
"""One product of a point with a number: of a new key, of an agreement."""
SHARE_PRODUCT = 2 * 81 + 18.0
MASK_PER_VALUE = 4 * CHACHA_PER_BYTE + 1
"""A value of the key stream, and its addition."""
RING_PER_VALUE = 4.0
"""An update as a whole number: subtraction, product, rounding, conversion."""


def keys() -> float:
    """Two key pairs."""
    return 2 * AGREEMENT


def sharing(nodes: int, threshold: int) -> float:
    """An agreement with every other node, two secrets shared among all, the shares sealed."""
    return (nodes - 1) * AGREEMENT + 2 * nodes * threshold * SHARE_PRODUCT


def masking(nodes: int, values: int) -> float:
    """An agreement and a mask for every other node, the node's own mask, and the update in the ring."""
    return (nodes - 1) * AGREEMENT + values * (nodes * MASK_PER_VALUE + RING_PER_VALUE)


def unmasking(alive: int, dropped: int, values: int, threshold: int) -> float:
    """Server: secrets from shares, the own masks of nodes that answered, and the masks of each that dropped out with
    every one of those."""
    secrets = (alive + dropped) * threshold * threshold * SHARE_PRODUCT
    return secrets + (alive + dropped * alive) * values * MASK_PER_VALUE + dropped * alive * AGREEMENT
