"""A node that sleeps between requests: awake all day, woken by a request, or woken before the one that is expected.

TREE paper, section III: predictive pre-wake-up hides the time that waking takes. It leaves open how the next request is
predicted, how long a node waits before it sleeps and how early it wakes: here by quantiles of the last gaps. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coordinator.market.fleet import Floats
from edge_node.config import BoardConfig
from edge_node.serving.naps import Habits, awake_window


class Waking(StrEnum):
    """When a node sleeps and wakes."""

    NEVER_SLEEPS = "awake"
    REACTIVE = "reactive wake-up"
    """Sleeps after ``idle_s`` without a request; a request wakes it."""
    PREDICTIVE = "predictive wake-up"
    """The same, and it wakes by itself before a request is expected; waits for it for a while, then sleeps again."""


@dataclass(frozen=True, slots=True)
class Slept:
    """Outcome of a day; times in seconds."""

    awake_s: Floats
    asleep_s: Floats
    """(T,) by hour."""
    wakes: Floats
    """(T,)."""
    wait_s: Floats
    """(R,) that each request waited for the node to wake."""


def day(
    at_s: Floats, busy_s: Floats, board: BoardConfig, rule: Waking, habits: Habits, hours: int = 24
) -> Slept:
    """Requests at ``at_s``, each computing for ``busy_s``, one after the other, over ``hours``.

    A node that is waking is awake and draws ``wake_j`` more than at rest, as boards are profiled."""
    book = _Book(hours)
    wait_s = np.zeros(len(at_s))
    gaps: deque[float] = deque(maxlen=habits.gaps)
    free_s, last_s, end_s = 0.0, 0.0, hours * HOUR_S
    for r, arrival_s in enumerate(at_s):
        begin_s = max(arrival_s, free_s)
        if rule is Waking.NEVER_SLEEPS or arrival_s <= free_s + habits.idle_s:
            book.awake(free_s, begin_s)
        else:
            asleep_from_s = free_s + habits.idle_s
            book.awake(free_s, asleep_from_s)
            plan = None
            if rule is Waking.PREDICTIVE:
                plan = awake_window(asleep_from_s, last_s, gaps, board.wake_s, habits)
            begin_s = _sleep_until(book, asleep_from_s, float(arrival_s), plan, board.wake_s)
            wait_s[r] = begin_s - arrival_s
        gaps.append(arrival_s - last_s)
        last_s = arrival_s
        free_s = begin_s + busy_s[r]
        book.awake(begin_s, free_s)
    if rule is Waking.NEVER_SLEEPS:
        book.awake(free_s, end_s)
    else:
        book.awake(free_s, free_s + habits.idle_s)
        book.asleep(free_s + habits.idle_s, end_s)
    return Slept(book.awake_s, book.asleep_s, book.wakes, wait_s)


def _sleep_until(
    book: _Book, asleep_from_s: float, arrival_s: float, plan: tuple[float, float] | None, wake_s: float
) -> float:
    """Book a gap from when the node falls asleep to the request that ends it; when that can begin."""
    if plan is not None:
        begin_s, give_up_s = plan
        if arrival_s > begin_s:
            book.asleep(asleep_from_s, begin_s)
            book.wake(begin_s)
            ready_s = begin_s + wake_s
            if arrival_s <= give_up_s:
                start_s = max(arrival_s, ready_s)
                book.awake(begin_s, start_s)
                return start_s
            book.awake(begin_s, give_up_s)
            asleep_from_s = give_up_s
    book.asleep(asleep_from_s, arrival_s)
    book.wake(arrival_s)
    book.awake(arrival_s, arrival_s + wake_s)
    return arrival_s + wake_s


HOUR_S = 3600.0


class _Book:
    """Seconds awake and asleep, and wake-ups, by hour; what is beyond the last hour counts to it."""

    def __init__(self, hours: int) -> None:
        self.awake_s, self.asleep_s, self.wakes = np.zeros(hours), np.zeros(hours), np.zeros(hours)

    def awake(self, begin_s: float, end_s: float) -> None:
        _spread(self.awake_s, begin_s, end_s)

    def asleep(self, begin_s: float, end_s: float) -> None:
        _spread(self.asleep_s, begin_s, end_s)

    def wake(self, at_s: float) -> None:
        self.wakes[min(int(at_s // HOUR_S), len(self.wakes) - 1)] += 1


def _spread(into: Floats, begin_s: float, end_s: float) -> None:
    while begin_s < end_s:
        hour = min(int(begin_s // HOUR_S), len(into) - 1)
        stop_s = end_s if hour == len(into) - 1 else min(end_s, (hour + 1) * HOUR_S)
        into[hour] += stop_s - begin_s
        begin_s = stop_s
