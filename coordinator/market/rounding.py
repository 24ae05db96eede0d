"""Fractional batches to whole ones that keep every limit.

The work's constraints in one slot, (D4), (D5), (D7) with whole right-hand sides, are those of a network flow
(owner -> stays or leaves -> executor), so a fractional flow within them can always be rounded to a whole
one, each entry up or down. Largest remainders are rounded up first while limits allow; where that leaves
work over, a maximum flow through the same network finds the missing places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import maximum_flow

from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.pairs import Transfers

_EPSILON = 1e-6
_PLENTY = 2**30


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """Whole-number limits on the (N, N) batches of one slot."""

    available: Ints
    """(N,) batches an owner has."""
    due: Ints
    """(N,) of these, batches that must run now."""
    may_leave: Ints
    """(N,) most batches of an owner that run elsewhere (D5)."""
    capacity: Ints
    """(N,) most batches a node runs (D7), 0 when asleep."""
    guest_room: Ints
    """(N,) most guest batches a node holds (D7)."""

    @classmethod
    def of(cls, fleet: Fleet, awake: Bools, room: Ints | None = None) -> WorkLimits:
        """Limits of the slot being decided, with the nodes of ``awake`` running."""
        backlog = fleet.backlog_batches
        if room is None:
            room = offload_room(fleet)
        wakes = awake & fleet.asleep & fleet.limits.may_sleep
        usable_s = np.where(wakes, np.maximum(fleet.slot_s - fleet.wake_s, 0.0), fleet.slot_s)
        tau, size = fleet.seconds_per_batch[:, 0], float(fleet.bytes_per_batch[0])
        plenty = np.where(usable_s > 0, float(_PLENTY), 0.0)
        capacity = np.divide(usable_s, tau, out=plenty, where=tau > 0)
        guests = fleet.storage_bytes / size if size > 0 else np.full(fleet.size, float(_PLENTY))
        return cls(
            available=backlog.sum(axis=1),
            due=backlog[:, 0].copy(),
            may_leave=np.minimum(room, backlog).sum(axis=1)
            if fleet.offloadable[0]
            else np.zeros(fleet.size, dtype=np.int64),
            capacity=np.where(awake, _whole(capacity), 0),
            guest_room=np.where(awake, _whole(guests), 0),
        )


def offload_room(fleet: Fleet) -> Ints:
    """(N, Q+1) batches of each class that may leave (D5)."""
    if fleet.offload_room_batches is not None:
        return fleet.offload_room_batches
    return np.floor(fleet.limits.offload_cap_fraction * fleet.backlog_batches + 1e-9).astype(np.int64)


def _whole(value: Floats) -> Ints:
    return np.minimum(np.floor(value + 1e-9), _PLENTY).astype(np.int64)


def round_batches(fractional: Floats, limits: WorkLimits, *, early: bool = False) -> Ints:
    """(N, N) whole batches near ``fractional``, within ``limits``.

    Every owner's total is its fractional total rounded to nearest (``early``: up), at least what is due and
    at most what it has. A total falls short of ``due`` only where no assignment at all serves more due work.
    """
    flows = np.maximum(fractional, 0.0)
    totals = flows.sum(axis=1)
    nearest = np.ceil(totals - _EPSILON) if early else np.floor(totals + 0.5)
    target = np.clip(nearest.astype(np.int64), limits.due, limits.available)
    base = np.floor(flows + _EPSILON).astype(np.int64)
    if not _keeps(base, limits) or (base.sum(axis=1) > target).any():
        base = np.zeros_like(base)
    result = _largest_remainders(flows - base, base, target, limits)
    if (result.sum(axis=1) >= limits.due).all():
        return result
    fractions = flows - base > _EPSILON
    attempts = (
        (base, target, np.where(fractions, 1, 0)),
        (base, target, np.full(base.shape, _PLENTY)),
        (base, np.maximum(limits.due, base.sum(axis=1)), np.full(base.shape, _PLENTY)),
        (np.zeros_like(base), limits.due, np.full(base.shape, _PLENTY)),
    )
    for start, wanted, arcs in attempts:
        result = start + _complete(wanted - start.sum(axis=1), arcs, start, limits)
        if (result.sum(axis=1) >= limits.due).all():
            break
    return result


def _keeps(batches: Ints, limits: WorkLimits) -> bool:
    home = np.diag(batches)
    return bool(
        (batches.sum(axis=1) <= limits.available).all()
        and (batches.sum(axis=1) - home <= limits.may_leave).all()
        and (batches.sum(axis=0) <= limits.capacity).all()
        and (batches.sum(axis=0) - home <= limits.guest_room).all()
    )


def _largest_remainders(remainders: Floats, base: Ints, target: Ints, limits: WorkLimits) -> Ints:
    """``base`` with entries rounded up, largest remainder first, while totals and limits allow."""
    result = base.copy()
    home = np.diag(base)
    need = target - base.sum(axis=1)
    leave = limits.may_leave - (base.sum(axis=1) - home)
    capacity = limits.capacity - base.sum(axis=0)
    guests = limits.guest_room - (base.sum(axis=0) - home)
    owners, executors = np.nonzero(remainders > _EPSILON)
    order = np.argsort(-remainders[owners, executors], kind="stable")
    for i, j in zip(owners[order].tolist(), executors[order].tolist(), strict=True):
        if need[i] <= 0 or capacity[j] <= 0 or (i != j and (leave[i] <= 0 or guests[j] <= 0)):
            continue
        result[i, j] += 1
        need[i] -= 1
        capacity[j] -= 1
        if i != j:
            leave[i] -= 1
            guests[j] -= 1
    # rounding a total up may have found no remainder to round: home takes it if there is time
    result[np.diag_indices_from(result)] += np.minimum(need, capacity)
    return result


def _complete(need: Ints, arcs: Ints, base: Ints, limits: WorkLimits) -> Ints:
    """(N, N) further batches, as many of ``need`` as a maximum flow finds room for beside ``base``."""
    n = len(need)
    home = np.diag(base)
    owner, leaves, guest, run = (np.arange(n) + 1 + block * n for block in range(4))
    source, sink = 0, 4 * n + 1
    i, j = np.nonzero((arcs > 0) & ~np.eye(n, dtype=bool))
    edges = (
        (np.full(n, source), owner, need),
        (owner, run, np.diag(arcs)),
        (owner, leaves, limits.may_leave - (base.sum(axis=1) - home)),
        (leaves[i], guest[j], arcs[i, j]),
        (guest, run, limits.guest_room - (base.sum(axis=0) - home)),
        (run, np.full(n, sink), limits.capacity - base.sum(axis=0)),
    )
    tail, head, room = (np.concatenate([np.asarray(edge[part]) for edge in edges]) for part in range(3))
    network = sparse.csr_matrix(
        (np.minimum(room, _PLENTY).astype(np.int32), (tail, head)), shape=(4 * n + 2, 4 * n + 2)
    )
    flow = maximum_flow(network, source, sink).flow
    result = np.zeros((n, n), dtype=np.int64)
    result[i, j] = np.asarray(flow[leaves[i], guest[j]]).ravel()
    result[np.diag_indices(n)] = np.asarray(flow[owner, run]).ravel()
    return np.maximum(result, 0)


def clip_transfers(transfers: Transfers, fleet: Fleet) -> Transfers:
    """Transfers within (D6) and what a donor can have on its green bus: positive, none to itself.

    The caps are exact here: a solver keeps them to a tolerance only.
    """
    sent = transfers.only(~transfers.to_itself & ~(transfers.amount < 0))
    sent = sent.only(~(sent.amount < 1e-9 * float(sent.amount.max(initial=0.0))))
    cap = fleet.transfer_caps_j()[:, 0]
    total = sent.given(fleet.size)
    above = total > cap
    factor = np.divide(cap, total, out=np.ones_like(total), where=above)
    last = np.where(above, 1.0 - 1e-15, 1.0)
    return sent.with_amounts(sent.amount * factor[sent.source] * last[sent.source])
