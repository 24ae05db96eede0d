"""Arrival times of a trace, slot by slot: converted and searched once for the whole run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_node.serving.release import Times


class Traced:
    """Arrivals of a run by slot of ``slot_s`` seconds.

    Args:
        times_s: Ascending, seconds of slot time from the run's beginning.
        slot_s: Length of a slot.
        slots: Of the run.
    """

    def __init__(self, times_s: Sequence[float], slot_s: float, slots: int) -> None:
        self._times_s = np.asarray(times_s, dtype=float)
        self._slot_s = slot_s
        self._first = np.searchsorted(self._times_s, np.arange(slots + 2) * slot_s).tolist()

    def __call__(self, slot: int) -> Times:
        """Arrivals of ``slot``, seconds from its beginning, in [0, slot_s)."""
        # A time just below the slot's end may be rounded to slot_s: what belongs to the slot is told by the difference.
        near = self._times_s[self._first[slot] : self._first[slot + 2]] - slot * self._slot_s
        return near[near < self._slot_s]
