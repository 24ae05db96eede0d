"""When work stops that would not be done by its slot's end: between two batches, where slots are cut."""

from __future__ import annotations

from collections.abc import Callable

RESERVE_FRACTION = 0.05
"""Share of a slot that is left for answers to travel (choice)."""


class Cut:
    """Asked before every step of a piece of work whether to stop; a step may take as long as the longest before it."""

    def __init__(self, left_s: Callable[[], float], slot_s: float) -> None:
        """``left_s``: until the slot is due to end."""
        self._left_s, self._reserve_s = left_s, RESERVE_FRACTION * slot_s
        self._before_s: float | None = None
        self._longest_s = 0.0

    def __call__(self) -> bool:
        left_s = self._left_s()
        if self._before_s is not None:
            self._longest_s = max(self._longest_s, self._before_s - left_s)
        self._before_s = left_s
        return left_s - self._longest_s < self._reserve_s
