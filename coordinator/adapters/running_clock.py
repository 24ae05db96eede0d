"""A clock of the time in which this process ran: leases and deadlines do not end while it is paused."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable


class RunningClock:
    """Seconds of ``clock``, of which no more than ``longest_step_s`` count between two readings.

    A stopped process, a suspended laptop or a paused virtual machine receives no heartbeats meanwhile. All leases would
    have ended together, and the next slot would be decided with the first node that sends one. ``keep`` reads the clock
    often enough that every other gap counts in full.
    """

    def __init__(self, longest_step_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_s, self._clock = longest_step_s, clock
        self._read = self._now = clock()
        self._guard = threading.Lock()

    def __call__(self) -> float:
        with self._guard:
            now = self._clock()
            self._now += min(now - self._read, self._longest_s)
            self._read = now
            return self._now

    async def keep(self) -> None:
        """Read it four times a step, until cancelled."""
        while True:
            self()
            await asyncio.sleep(self._longest_s / 4)
