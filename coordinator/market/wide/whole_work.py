"""Whole batches of one slot from the hub's fractional ones: how many every node keeps, gives and takes, O(N log N).

Floors first, then the largest remainders, for owners and executors alike, so that as many batches come to the hub as
leave it. A node either gives or takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Bools, Floats, Ints
from coordinator.market.rounding import WorkLimits

_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class WholeWork:
    """(N,) batches of one slot; ``away`` and ``guests`` have the same sum."""

    home: Ints
    away: Ints
    guests: Ints


def whole_work(
    total: Floats,
    away: Floats,
    guests: Floats,
    limits: WorkLimits,
    alike: Ints | None = None,
    *,
    early: bool | Bools = False,
) -> WholeWork:
    """Whole numbers near the fractional ones within ``limits``; all due work is served where the hub has the places.

    ``alike``: (N,) the kind of each node. An interior point lets all nodes of a kind give the same fraction; with it,
    some give all they may and the others nothing, so that those save the energy of running anything. ``early``: of work
    that may wait, no less than the fractions say; of all nodes or of those where it is true, (N,)."""
    nearest = np.where(early, np.ceil(total - _EPSILON), np.floor(total + 0.5))
    target = np.clip(nearest.astype(np.int64), limits.due, limits.available)
    target = np.minimum(target, limits.capacity + limits.may_leave)
    least, most = np.maximum(target - limits.capacity, 0), np.minimum(limits.may_leave, target)
    leaving = np.clip(away, least, most)
    if alike is not None:
        leaving = _gathered(leaving, least, most, alike)
    given = np.floor(leaving + _EPSILON).astype(np.int64)
    rest_given = np.maximum(leaving - given, 0.0)
    takes = (guests > _EPSILON) & (given == 0) & (rest_given <= _EPSILON)
    room = np.where(takes, np.minimum(limits.guest_room, np.maximum(limits.capacity - target, 0)), 0)
    coming = np.clip(guests, 0, room)
    taken = np.floor(coming + _EPSILON).astype(np.int64)
    rest_taken = np.maximum(coming - taken, 0.0)
    ups_given, ups_taken = int((rest_given > _EPSILON).sum()), int((rest_taken > _EPSILON).sum())

    lacking = int(given.sum() - taken.sum()) - ups_taken
    if lacking > 0:  # takers take more than planned, then owners keep what they can
        free = np.maximum(room - taken - (rest_taken > _EPSILON), 0)
        taken = taken + _share_out(free, lacking, -free)
        lacking = int(given.sum() - taken.sum()) - ups_taken
    if lacking > 0:
        given = given - _share_out(given - least, lacking, away)
        lacking = int(given.sum() - taken.sum()) - ups_taken
    if lacking > 0:  # nodes that were to take nothing: what nodes asleep give cannot stay at home
        idle = ~takes & (given == 0) & (rest_given <= _EPSILON)
        free = np.where(idle, np.minimum(limits.guest_room, np.maximum(limits.capacity - target, 0)), 0)
        taken = taken + _share_out(free, lacking, -free)
        lacking = int(given.sum() - taken.sum()) - ups_taken
    home = target - given
    if lacking > 0:  # no place for it anywhere: it stays undone
        given = given - _share_out(given, lacking, away)
    surplus = int(taken.sum() - given.sum()) - ups_given
    if surplus > 0:
        taken = taken - _share_out(taken, surplus, guests)
    low = max(int(given.sum()), int(taken.sum()))
    high = min(int(given.sum()) + ups_given, int(taken.sum()) + ups_taken)
    moved = int(np.clip(round(float(leaving.sum())), low, high))
    up_given = _largest(rest_given, moved - int(given.sum()))
    up_taken = _largest(rest_taken, moved - int(taken.sum()))
    return WholeWork(home - up_given, given + up_given, taken + up_taken)


def kinds(limits: WorkLimits, joules_per_batch: Floats) -> Ints:
    """(N,) numbers of kinds: nodes of a kind have the same work, the same limits and the same joules per batch."""
    columns = [limits.available, limits.due, limits.may_leave, limits.capacity, joules_per_batch]
    return np.unique(np.column_stack(columns), axis=0, return_inverse=True)[1].reshape(-1)


def _gathered(amount: Floats, least: Ints, most: Ints, alike: Ints) -> Floats:
    """The sum of each kind, laid into its nodes up to ``most``, those with the largest ``amount`` first."""
    order = np.lexsort((-amount, alike))
    room = np.maximum(most - least, 0)[order].astype(np.float64)
    above = np.maximum(amount - least, 0.0)[order]
    begins = np.flatnonzero(np.diff(alike[order], prepend=-1))
    sizes = np.diff(begins, append=len(order))
    sums = np.repeat(np.add.reduceat(above, begins), sizes)
    before = np.cumsum(room) - room
    before -= np.repeat(before[begins], sizes)
    out = np.empty_like(amount)
    out[order] = np.clip(sums - before, 0.0, room)
    return out + least


def _share_out(room: Ints, amount: int, key: Floats | Ints) -> Ints:
    """``amount`` laid into ``room``, lowest ``key`` first."""
    order = np.argsort(key, kind="stable")
    filled = np.cumsum(room[order])
    out = np.zeros_like(room)
    out[order] = np.clip(amount - (filled - room[order]), 0, room[order])
    return out


def _largest(rest: Floats, count: int) -> Ints:
    """1 for the ``count`` largest of ``rest``."""
    up = np.zeros(len(rest), dtype=np.int64)
    up[np.argsort(-rest, kind="stable")[: max(count, 0)]] = 1
    return up
