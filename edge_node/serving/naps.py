"""A board that sleeps between batches: when it falls asleep, what wakes it, and what its queue waits for. Pure.

TREE paper, section III: predictive pre-wake-up hides the time that waking takes. The paper leaves open how the next
work is predicted, how long a board waits before it sleeps and how early it wakes: by quantiles of the last gaps. Times
in seconds of slot time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_node.config import Between
from edge_node.serving.queue import Job, Served
from edge_node.serving.release import Times


@dataclass(frozen=True, slots=True)
class Habits:
    """Parameters that the paper leaves open."""

    idle_s: float = 5.0
    """[C]: without work before it sleeps."""
    early_quantile: float = 0.2
    """[C]: of the last gaps; it is awake from this one on."""
    late_quantile: float = 0.95
    """[C]: it waits until this one, and ``idle_s`` more."""
    gaps: int = 50
    """[C]: how many it remembers; with fewer than half of them it predicts nothing."""


def awake_window(
    asleep_from_s: float, last_s: float, gaps: Sequence[float], wake_s: float, habits: Habits
) -> tuple[float, float] | None:
    """When a board begins to wake by itself and when it sleeps again; None: it does not, for it knows too few gaps, or
    the next work should have come already.

    Args:
        asleep_from_s: When it falls asleep.
        last_s: When the last work came.
        gaps: Between the last works.
        wake_s: How long waking takes.
    """
    if len(gaps) < max(1, habits.gaps // 2):
        return None
    early_s, late_s = last_s + np.quantile(np.array(gaps), [habits.early_quantile, habits.late_quantile])
    begin_s = max(asleep_from_s, float(early_s) - wake_s)
    if begin_s > late_s:
        return None
    return begin_s, max(float(late_s), begin_s + wake_s) + habits.idle_s


@dataclass(frozen=True, slots=True)
class Forecast:
    """Expects the next work from a node's own past: when its batches were released. What is later is not looked at."""

    needs_s: Times
    """(batches,) ascending."""
    habits: Habits

    def window(self, asleep_from_s: float, wake_s: float) -> tuple[float, float] | None:
        """See ``awake_window``; by what had been released when the board fell asleep."""
        known = int(np.searchsorted(self.needs_s, asleep_from_s, side="right"))
        past = self.needs_s[max(0, known - self.habits.gaps - 1) : known]
        if not len(past):
            return None
        return awake_window(asleep_from_s, float(past[-1]), np.diff(past).tolist(), wake_s, self.habits)


@dataclass(slots=True)
class Rest:
    """How a board rested."""

    asleep: list[tuple[float, float]] = field(default_factory=list)
    """From, until; ascending."""
    wakes_s: list[float] = field(default_factory=list)
    """When it began to wake."""

    def within(self, begin_s: float, end_s: float) -> tuple[float, int]:
        """(seconds asleep, wake-ups begun) in an interval, its end excluded."""
        asleep_s = sum(max(0.0, min(until, end_s) - max(since, begin_s)) for since, until in self.asleep)
        return asleep_s, sum(begin_s <= at < end_s for at in self.wakes_s)


@dataclass(frozen=True, slots=True)
class Napper:
    """Serves a queue, first come, first served, and lets the board sleep where it is empty for long enough."""

    rule: Between
    """``reactive``: a released batch wakes the board. ``predictive``: it wakes so early that it is awake when a batch
    that is announced will be released, and when ``forecast`` expects one."""
    wake_s: float
    forecast: Forecast

    def serve(
        self, jobs: Sequence[Job], available: Sequence[float], free_s: float, until_s: float
    ) -> tuple[Served, Rest]:
        """Serve ``jobs``; as ``serving.queue.serve``, with the rest of the board up to ``until_s``.

        Args:
            jobs: Batches, any order.
            available: When each is here and released.
            free_s: Since when the board has had nothing to do, also before the first job's slot.
            until_s: The slot's end.
        """
        rest, idle_s = Rest(), self.forecast.habits.idle_s
        latencies = [np.empty(0)] * len(jobs)
        for k in sorted(range(len(jobs)), key=lambda k: (available[k], k)):
            begin_s = max(free_s, available[k])
            if available[k] > free_s + idle_s:
                told_s = min(available[k], float(jobs[k].arrival_s[0]))
                begin_s = self._woken(rest, free_s + idle_s, available[k], told_s)
            free_s = begin_s + jobs[k].service_s
            latencies[k] = free_s - jobs[k].arrival_s
        if until_s > free_s + idle_s:
            self._asleep_until(rest, free_s + idle_s, until_s)
        return Served(tuple(latencies), free_s), rest

    def _woken(self, rest: Rest, asleep_from_s: float, need_s: float, told_s: float) -> float:
        """When work can begin that is there at ``need_s``, and known of from ``told_s`` on."""
        wake_at_s = need_s
        if self.rule == "predictive":
            wake_at_s = max(asleep_from_s, min(need_s, max(told_s, need_s - self.wake_s)))
        since_s = self._asleep_until(rest, asleep_from_s, wake_at_s)
        if since_s is not None:  # awake by itself
            return max(need_s, since_s + self.wake_s)
        rest.wakes_s.append(wake_at_s)
        return max(need_s, wake_at_s + self.wake_s)

    def _asleep_until(self, rest: Rest, asleep_from_s: float, at_s: float) -> float | None:
        """Enter the sleep up to ``at_s``; since when the board is awake by itself then, None: it sleeps."""
        window = self.forecast.window(asleep_from_s, self.wake_s) if self.rule == "predictive" else None
        if window is None or window[0] >= at_s:
            rest.asleep.append((asleep_from_s, at_s))
            return None
        begin_s, give_up_s = window
        rest.asleep.append((asleep_from_s, begin_s))
        rest.wakes_s.append(begin_s)
        if at_s <= give_up_s:
            return begin_s
        rest.asleep.append((give_up_s, at_s))
        return None
