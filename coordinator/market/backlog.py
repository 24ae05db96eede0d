"""Work not yet done, by slots left to its deadline: what a slot's decision takes from it, and what is due
next.

Pure integer book-keeping shared by the rounding of a plan, the horizon simulator and the coordinator, so
that the offload cap (D5), which is per release, holds over several slots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Ints


@dataclass(frozen=True, slots=True)
class Backlog:
    """Own batches of N nodes by deadline class; column k may wait k more slots."""

    batches: Ints
    """(N, Q+1)."""
    room: Ints
    """(N, Q+1) of these, how many may still be run elsewhere: what is left of floor(b_y d_i(r))."""

    @classmethod
    def empty(cls, nodes: int, deadline_slots: int) -> Backlog:
        zeros = np.zeros((nodes, deadline_slots + 1), dtype=np.int64)
        return cls(zeros, zeros.copy())

    def release(self, batches: Ints, offload_cap_fraction: float, slots_left: int | None = None) -> Backlog:
        """With (N,) new ``batches`` added that may wait ``slots_left`` slots (None: the longest class)."""
        column = (
            self.batches.shape[1] - 1 if slots_left is None else min(slots_left, self.batches.shape[1] - 1)
        )
        total, room = self.batches.copy(), self.room.copy()
        total[:, column] += batches
        room[:, column] += np.floor(offload_cap_fraction * batches + 1e-9).astype(np.int64)
        return Backlog(total, room)

    def take(self, home: Ints, away: Ints) -> tuple[Ints, Ints]:
        """(N, Q+1) batches by class of (N,) ``home`` and ``away``: earliest deadline first, those that leave
        first.

        Any totals that some choice of batches can meet, this choice meets: those that leave use up the room
        of the most urgent classes, which leaves the fewest urgent batches for home. Raises ValueError when
        more are asked for than there are, or than may leave."""
        leave = _earliest(np.minimum(self.room, self.batches), away)
        stay = _earliest(self.batches - leave, home)
        if (leave.sum(axis=1) != away).any() or (stay.sum(axis=1) != home).any():
            node = int(np.argmax((leave.sum(axis=1) != away) | (stay.sum(axis=1) != home)))
            raise ValueError(
                f"node {node}: {home[node]} batches at home and {away[node]} elsewhere asked for, with "
                f"{self.batches[node].tolist()} in the backlog, of which {self.room[node].tolist()} may leave"
            )
        return stay, leave

    def advance(self, home: Ints, away: Ints) -> tuple[Backlog, Ints]:
        """The backlog one slot later, after (N,) ``home`` and ``away`` batches were run; and (N,) missed
        deadlines."""
        stay, leave = self.take(home, away)
        rest = self.batches - stay - leave
        room = np.minimum(self.room - leave, rest)
        missed = rest[:, 0].copy()
        zeros = np.zeros((len(rest), 1), dtype=np.int64)
        return Backlog(np.hstack([rest[:, 1:], zeros]), np.hstack([room[:, 1:], zeros])), missed


def _earliest(available: Ints, amount: Ints) -> Ints:
    """``amount`` (N,) taken from the columns of ``available``, leftmost first."""
    before = np.cumsum(available, axis=1) - available
    return np.clip(amount[:, None] - before, 0, available)
