"""A node's windows on the wall clock: how long each was, and how much of the slot is left. Monotonic nanoseconds.

The end of a window is the beginning of the next. A start's first window begins with its first decision: what was before
belongs to no slot of this start. Why it is so: docs/decisions/0026-wall-clock.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

NS_PER_S = 1_000_000_000


class Windows:
    """Of one node. ``clock_ns`` need not agree with any other machine's."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._begun_ns = clock_ns()
        self._due_ns: int | None = None
        """When the slot is due to end; None before the first decision."""
        self.is_read = True
        """Whether the last window is closed, so that a new one may be opened: an open one goes on in the next slot."""

    @property
    def is_begun(self) -> bool:
        """Whether a decision of this start has come: the window begins with the first."""
        return self._due_ns is not None

    def decided(self, remaining_s: float) -> None:
        """A decision came ``remaining_s`` before its slot's end."""
        now_ns = self._clock_ns()
        if self._due_ns is None:
            self._begun_ns = now_ns
        self._due_ns = now_ns + round(remaining_s * NS_PER_S)

    def left_s(self) -> float:
        """Seconds until the slot is due to end; negative afterwards, infinite before the first decision."""
        return math.inf if self._due_ns is None else (self._due_ns - self._clock_ns()) / NS_PER_S

    def close(self) -> float:
        """The window ends, and the next begins. Returns its seconds."""
        now_ns = self._clock_ns()
        begun_ns, self._begun_ns, self.is_read = self._begun_ns, now_ns, True
        return (now_ns - begun_ns) / NS_PER_S
