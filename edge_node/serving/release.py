"""Which requests of a slot share a batch and when it is released: three rules. Pure; times in seconds.

A request is announced when its user asks, and there when its prompt has come over the user's link. TREE paper, section
III: batch and transmission delay are decided together, so that a batch waits for no slow link.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_node.config import Batching

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that share a batch."""

    members: NDArray[np.int64]
    """Their places in the slot, in the order in which they were announced."""
    release_s: float
    """When the batch may begin."""


def group(
    rule: Batching, announced_s: Times, there_s: Times, most: int, wait_s: float, slot_s: float
) -> list[Group]:
    """Every request of a slot in one batch of up to ``most``, batches in the order of their release.

    ``alone``: each by itself, once it is there. ``fixed``: as announced, closed when full or ``wait_s`` after the
    first; released once the last prompt is there. ``link``: of prompts that are there; a batch that is not full is
    released at once, except while a prompt that is announced will be there within ``wait_s`` of the first (and within
    the slot).

    Args:
        announced_s: (R,) ascending, from the slot's beginning.
        there_s: (R,) when each prompt has come; known from its announcement on.
        most: Requests of a batch.
        wait_s: Longest wait for others; infinite where all are announced at once.
        slot_s: Length of the slot, to which waiting is confined.
    """
    if rule == "alone":
        order = np.argsort(there_s, kind="stable")
        return [Group(np.array([place]), float(there_s[place])) for place in order]
    if rule == "link":
        return _by_link(announced_s, there_s, most, wait_s, slot_s)
    found = []
    for start, stop in cut_batches(announced_s, most, wait_s):
        own = announced_s[start:stop]
        closed_s = dispatch_s(own, most, wait_s, slot_s) if math.isfinite(wait_s) else float(own[-1])
        if (
            there_s is not announced_s
        ):  # else the last is there when it is announced, and the batch not closed before
            closed_s = max(closed_s, float(there_s[start:stop].max()))
        found.append(Group(np.arange(start, stop), closed_s))
    return sorted(found, key=lambda each: each.release_s)


def _by_link(announced_s: Times, there_s: Times, most: int, wait_s: float, slot_s: float) -> list[Group]:
    order = np.argsort(there_s, kind="stable")
    announced, there = announced_s[order], there_s[order]
    found, start = [], 0
    while start < len(order):
        now_s, stop = float(there[start]), start + 1
        last_call_s = max(now_s, min(now_s + wait_s, slot_s))
        last = int(np.searchsorted(there, last_call_s, side="right"))
        # One more is waited for only if its user has asked by now; what comes before it joins.
        while stop < min(last, start + most) and announced[stop:last].min() <= now_s:
            now_s, stop = float(there[stop]), stop + 1
        found.append(Group(np.sort(order[start:stop]), now_s))
        start = stop
    return found


def cut_batches(arrival_s: Times, max_requests: int, max_wait_s: float) -> list[tuple[int, int]]:
    """Dynamic batching: [start, stop) of each batch, in order of arrival.

    A batch is closed when it has ``max_requests``, or ``max_wait_s`` after its first request came.
    """
    cuts: list[tuple[int, int]] = []
    times = arrival_s.tolist()  # of few requests, which numpy takes longer to search
    start, total = 0, len(times)
    while start < total:
        in_time = bisect_right(times, times[start] + max_wait_s, start)
        stop = max(start + 1, min(in_time, start + max_requests))
        cuts.append((start, stop))
        start = stop
    return cuts


def dispatch_s(arrival_s: Times, max_requests: int, max_wait_s: float, slot_s: float) -> float:
    """When a batch of these requests is closed: full, or its first request has waited, or the slot ends.

    A slot's requests are decided upon together, so that no batch reaches into the next slot.
    """
    first, last = float(arrival_s[0]), float(arrival_s[-1])
    if len(arrival_s) >= max_requests:
        return last
    slot_end_s = (math.floor(last / slot_s) + 1) * slot_s
    return max(last, min(first + max_wait_s, slot_end_s))
