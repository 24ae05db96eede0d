"""Which batches every node runs in a slot: edge_node.slots.work.gather in numbers, and its division among processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.exact import Ints
from protos.messages.columns import DecisionColumns


@dataclass(frozen=True, slots=True)
class WorkColumns:
    """Consecutive batches of one owner that one node runs. By executor in ascending order; of each, first its own, then
    others' by owner: the order in which a node trains on them."""

    executor: Ints
    """(S,) rows."""
    owner: Ints
    first: Ints
    """(S,) number of the first batch among the owner's."""
    batches: Ints
    """(S,) how many; none is 0."""

    @property
    def rows(self) -> Ints:
        """Nodes that run something, ascending."""
        return np.unique(self.executor)

    def of(self, rows: Ints) -> WorkColumns:
        """What these nodes run."""
        chosen = np.isin(self.executor, rows)
        return WorkColumns(
            self.executor[chosen], self.owner[chosen], self.first[chosen], self.batches[chosen]
        )


def work_of(decision: DecisionColumns, first: Ints) -> WorkColumns:
    """What nodes run under ``decision``. ``first``: (N,) number of each owner's first batch that waits. The most urgent
    stay at home, the next go to executors in ascending order (edge_node.slots.intake)."""
    moves, own = decision.moves, decision.own_batches
    home = np.flatnonzero(own > 0)
    before = np.cumsum(moves.batches) - moves.batches
    # Moves are in ascending order of their owner: what went before of the same owner is a difference of sums.
    of_owner = before - before[np.searchsorted(moves.owner, moves.owner)]
    executor = np.concatenate([home, moves.executor])
    owner = np.concatenate([home, moves.owner])
    number = np.concatenate([first[home], first[moves.owner] + own[moves.owner] + of_owner])
    order = np.lexsort((owner, owner != executor, executor))
    batches = np.concatenate([own[home], moves.batches])
    return WorkColumns(executor[order], owner[order], number[order], batches[order])


def dealt(work: WorkColumns, processes: int) -> list[WorkColumns]:
    """``work`` in parts, one a process, about equally large: the busiest nodes are dealt first, forth and back."""
    rows, place = np.unique(work.executor, return_inverse=True)
    total = np.bincount(place, work.batches, len(rows))
    turn = np.arange(len(rows)) % (2 * processes)
    process = np.empty(len(rows), dtype=np.int64)
    process[np.argsort(-total, kind="stable")] = np.minimum(turn, 2 * processes - 1 - turn)
    return [work.of(rows[process == each]) for each in range(processes)]
