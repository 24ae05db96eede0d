"""How much is measured: quick and full."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_TOKENS = 256
"""Length of prompt at which kinds of file and batches are compared; in every extent."""
SERVED = "Q4_1"
"""Kind whose costs the modelled part takes: the file as it is served by default."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Of the measured part."""

    repeats: int
    lengths: tuple[int, ...]
    steps: int
    cost_lengths: tuple[int, ...]
    cost_contexts: tuple[int, ...]
    batches: tuple[int, ...]
    hand_over_lengths: tuple[int, ...]
    windows: int
    window_context: int
    window_scored: int


QUICK = Extent(
    repeats=3,
    lengths=(32, 128, 256),
    steps=16,
    cost_lengths=(32, 64, 128, 192, 256, 384),
    cost_contexts=(64, 256),
    batches=(1, 4, 8),
    hand_over_lengths=(64, 256),
    windows=6,
    window_context=64,
    window_scored=24,
)
FULL = Extent(
    repeats=10,
    lengths=(32, 64, 128, 256, 512, 1024, 1536),
    steps=32,
    cost_lengths=(32, 64, 128, 192, 256, 384, 512, 768, 1024, 1280, 1536, 2048),
    cost_contexts=(64, 256, 512, 1024),
    batches=(1, 2, 4, 8),
    hand_over_lengths=(64, 256, 512, 1024),
    windows=40,
    window_context=256,
    window_scored=128,
)
