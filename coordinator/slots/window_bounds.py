"""How long a node's window can have been, by the coordinator's own clock: a node's word of its duration is checked
against it. Pure; the clock is injected.

A window ends between the moment the slot's CloseSlot left and the moment its reading came, and begins where the one
before ended::

    CloseSlot k-1 left    reading k-1 came        CloseSlot k left    reading k came
         |--------------------|------------------------|------------------|
                              |<------- at least ----->|
         |<----------------------------- at most ------------------------>|

What lies before the first reading of a start, or of the coordinator's own start, bounds less: a start's window begins
after it registered; one that was there before this coordinator is bounded by a day.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coordinator.slots.clocks import MOST_OF_SLOT, RATE_FRACTION
from protos.messages.slot import CloseSlot, Usage

LONGEST_WINDOW_S = 86_400.0
"""A window is believed up to a day where the coordinator's clock says nothing of it (choice)."""


@dataclass(frozen=True, slots=True)
class _End:
    """When a node's last window ended, or its first one began: not before ``earliest_s``, not after ``latest_s``."""

    slot: int | None
    """Of the reading; None before the first one."""
    earliest_s: float
    latest_s: float


class WindowBounds:
    """Of the nodes of a run on the wall clock. Not durable."""

    def __init__(
        self, slot_s: float, clock: Callable[[], float], earlier: Iterable[tuple[str, str]] = ()
    ) -> None:
        """``earlier``: nodes and their starts from before this start of the coordinator."""
        self._clock = clock
        self._slack_s = MOST_OF_SLOT * slot_s
        """Ends of windows are read at a sensor's edges, and offsets are known to no better than this."""
        self._ends = {start: _End(None, -math.inf, math.inf) for start in earlier}
        self._closing_s: dict[int, float] = {}

    def came(self, node: str, boot_id: str) -> None:
        """A start of ``node`` registered."""
        self._ends.setdefault((node, boot_id), _End(None, self._clock(), math.inf))

    def leaves(self, close: CloseSlot) -> None:
        """A node is asked to close a slot now; the first one counts."""
        self._closing_s.setdefault(close.slot, self._clock())

    def judge(self, usage: Usage) -> list[str]:
        """Why the duration of a new reading cannot be true; empty where it may be. The next one is judged by it."""
        if usage.duration_s is None:
            return []
        start, now_s = (usage.node_id, usage.boot_id), self._clock()
        before = self._ends.get(start, _End(None, -math.inf, math.inf))
        if usage.duration_s == 0:  # nothing was left of a missed slot: its window ended with the one before
            if before.slot is not None:
                self._ends[start] = _End(usage.slot, before.earliest_s, before.latest_s)
            return []
        closed_s = self._closing_s.get(usage.slot, before.earliest_s)
        self._ends[start] = _End(usage.slot, max(closed_s, before.earliest_s), now_s)
        least_s = closed_s - before.latest_s if before.slot == usage.slot - 1 else 0.0
        return self._outside(usage.duration_s, least_s, min(now_s - before.earliest_s, LONGEST_WINDOW_S))

    def _outside(self, told_s: float, least_s: float, most_s: float) -> list[str]:
        least_s = max(0.0, least_s * (1 - RATE_FRACTION) - self._slack_s)
        most_s = most_s * (1 + RATE_FRACTION) + self._slack_s
        if least_s <= told_s <= most_s:
            return []
        return [
            f"its window lasted {told_s:.6g} s by its clock; by the coordinator's it was {least_s:.6g} to {most_s:.6g} "
            "s"
        ]
