"""Work that may move in a slot, and a decision from what each node sends and takes. All nodes stay awake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.pairs import Moves, no_moves
from coordinator.market.rounding import WorkLimits
from coordinator.market.wide.hub_recovery import fill_whole

_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class WorkRoom:
    """Most that each node may send or take in the slot; a node does one of the two."""

    available: Ints
    """(N,) own batches."""
    capacity: Ints
    """(N,) batches that its time allows, (D7)."""
    may_send: Ints
    """(N,) own batches that may run elsewhere, (D5)."""
    may_take: Ints
    """(N,) guests for which it has time beside its own work, and storage."""

    @classmethod
    def of(cls, fleet: Fleet, fleets: int = 1) -> WorkRoom:
        """``fleets``: of equally many nodes, one after the other, that exchange nothing."""
        limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
        spare = limits.capacity - np.minimum(limits.available, limits.capacity)
        may_send = np.minimum(limits.may_leave, limits.available)
        # No node has use for more room than all others may send.
        sent = np.repeat(may_send.reshape(fleets, -1).sum(axis=1), fleet.size // fleets)
        may_take = np.minimum(np.minimum(spare, limits.guest_room), sent)
        return cls(limits.available, limits.capacity, may_send, may_take)

    def shares(self, share: Floats) -> tuple[Ints, Ints]:
        """(N,) whole batches sent and taken: ``share`` in -1..1 of what may be sent (above 0) or taken (below 0)."""
        send = np.floor(np.maximum(share, 0.0) * self.may_send + _EPSILON).astype(np.int64)
        take = np.floor(np.maximum(-share, 0.0) * self.may_take + _EPSILON).astype(np.int64)
        return send, take

    def placed(self, send: Ints, take: Ints) -> tuple[Ints, Moves]:
        """(N,) batches at home, and moves, of totals that agree."""
        home = np.minimum(self.available - send, self.capacity)
        return home, fill_whole(send, take) if send.any() else no_moves()
