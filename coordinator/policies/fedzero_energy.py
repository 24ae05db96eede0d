"""FedZero's division of a power domain's excess energy among the clients of a round, one slot at a time. Pure.

As dos-group/fedzero divides it (docs/decisions/0008-published-baselines.md), with one difference: where the clients
below their minimum cannot use all energy, the others share what is *left*. The original shares the whole again and
spends more than the domain has."""

from __future__ import annotations

import numpy as np

from coordinator.market.fleet import Floats


def attribute_energy(
    energy_j: float, joules_per_batch: Floats, done: Floats, least: Floats, most: Floats, capacity: Floats
) -> Floats:
    """(K,) batches that ``energy_j`` of one domain pays for in this slot.

    First the clients whose work of this round (``done``) is below ``least``, up to their capacity, then all below
    ``most``. Batches go in proportion to the energy that is missing to that goal."""
    room = np.floor(np.maximum(np.minimum(capacity, most - done), 0.0))
    work = _share_out(energy_j, joules_per_batch, np.maximum(least - done, 0.0), room)
    left_j = max(energy_j - float(work @ joules_per_batch), 0.0)
    return work + _share_out(left_j, joules_per_batch, np.maximum(most - done - work, 0.0), room - work)


def _share_out(energy_j: float, joules_per_batch: Floats, missing: Floats, room: Floats) -> Floats:
    """(K,) min(x w_i, room_i) with the largest x that ``energy_j`` pays for; w_i: missing energy. Batches that cost
    nothing are all given."""
    weight = missing * joules_per_batch
    work = np.where((missing > 0) & (joules_per_batch <= 0), room, 0.0)
    open_ = (weight > 0) & (room > 0)
    left_j = energy_j
    for client in np.argsort(
        np.divide(room, weight, out=np.full(len(room), np.inf), where=open_), kind="stable"
    ):
        if not open_[client]:
            break
        scale = left_j / float((weight * joules_per_batch)[open_].sum())
        if scale * weight[client] < room[client]:
            work[open_] = scale * weight[open_]
            break
        work[client], open_[client] = room[client], False
        left_j -= float(room[client] * joules_per_batch[client])
    return work
