"""Own work not yet done of many nodes, by slots left to its deadline: edge_node.slots.backlog in counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carbon_data.exact import Ints
from protos.messages.terms import Stage


class BacklogColumns:
    """Batches of N nodes by deadline. All slots are of one stage: work waits for its deadline and for the run's end.

    ``demand``: (N, T) batches released in each slot."""

    def __init__(self, stages: Sequence[Stage], deadline_slots: int, demand: Ints) -> None:
        """Raises ValueError where the stages differ."""
        if len(set(stages)) != 1:
            raise ValueError(f"stages {sorted(set(stages))} in one backlog of columns; allowed is one")
        self._last, self._deadline_slots, self._demand = len(stages) - 1, deadline_slots, demand
        self._waiting = np.zeros((len(demand), deadline_slots + 1), dtype=np.int64)
        self.first: Ints = np.zeros(len(demand), dtype=np.int64)
        """(N,) number of each node's first batch that waits. Batches of one stage fall due in the order of their
        numbers, so that those that wait are consecutive."""

    def release(self, slot: int) -> Ints:
        """(N,) batches released in ``slot``, which begins; call once per slot, in order."""
        left = min(slot + self._deadline_slots, self._last) - slot
        self._waiting[:, left] += self._demand[:, slot]
        return np.asarray(self._demand[:, slot])

    def counts(self) -> Ints:
        """(N, Q+1) by slots left to their deadline; column 0 must be done now."""
        return self._waiting.copy()

    def forecast(self, slot: int, horizon: int) -> Ints:
        """(N, H-1) to be released in the slots after ``slot``; none after the run's end."""
        following = self._demand[:, slot + 1 : slot + horizon]
        found = np.zeros((len(following), horizon - 1), dtype=np.int64)
        found[:, : following.shape[1]] = following
        return found

    def run(self, batches: Ints) -> Ints:
        """Take (N,) ``batches``, earliest deadline first, and end the slot. Returns (N,) batches that expired.

        Raises ValueError where there are fewer."""
        before = np.cumsum(self._waiting, axis=1) - self._waiting
        left = self._waiting - np.clip(batches[:, None] - before, 0, self._waiting)
        if (self._waiting.sum(axis=1) - left.sum(axis=1) != batches).any():
            raise ValueError(
                "more batches are decided than there are; this is a defect of the check of decisions"
            )
        expired = left[:, 0].copy()
        self.first = self.first + batches + expired
        self._waiting = np.zeros_like(left)
        self._waiting[:, :-1] = left[:, 1:]
        return expired
