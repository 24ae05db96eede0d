"""Times at which a sampler reads: an absolute schedule, so that late reads never shift the later ones. Pure.

A slow sampler reads at a random moment within each period. Readings at equal distances of a load that repeats with a
multiple of the period see the same part of it each time: the mean is then wrong by an amount that the spread of the
readings does not show. At random moments the mean is right on average and the error shows in the spread. At
``REGULAR_HZ`` and above readings are equally spaced: loads repeat slower than that, and equal distances then cancel
most of the error.
"""

from __future__ import annotations

import random

NS_PER_S = 1_000_000_000
REGULAR_HZ = 100.0


class Schedule:
    """Due times of reads, on a monotonic clock."""

    def __init__(self, start_ns: int, rate_hz: float, seed: int = 0) -> None:
        """``rate_hz`` reads a second from ``start_ns`` on; ``seed`` of the random moments."""
        if not rate_hz > 0:
            raise ValueError(f"a sampler's rate is {rate_hz:g} Hz; give a rate above 0")
        self.start_ns, self.rate_hz = start_ns, rate_hz
        self._period_ns = NS_PER_S / rate_hz
        self._random = random.Random(seed) if rate_hz < REGULAR_HZ else None
        self._reads = 0

    def next_ns(self, now_ns: int = 0) -> int:
        """When the next read is due; periods that ended before ``now_ns`` are left out."""
        begins = self.start_ns + self._reads * self._period_ns
        if now_ns >= begins + self._period_ns:
            self._reads = int((now_ns - self.start_ns) / self._period_ns)
            begins = self.start_ns + self._reads * self._period_ns
        self._reads += 1
        return int(begins + (self._random.random() * self._period_ns if self._random else 0.0))
