"""Batches of a slot by number, against the backlogs of nodes one by one, and their division among processes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_node.columns.work import WorkColumns, dealt, work_of
from edge_node.slots.backlog import Backlog
from protos.messages.columns import DecisionColumns, MoveColumns
from protos.messages.terms import Stage

DEV = Stage.DEVELOPMENT


@st.composite
def decisions(draw: st.DrawFn) -> DecisionColumns:
    nodes = draw(st.integers(2, 6))
    pairs = st.tuples(st.integers(0, nodes - 1), st.integers(0, nodes - 1)).filter(lambda p: p[0] != p[1])
    moved = sorted(draw(st.sets(pairs, max_size=8)))
    owner, executor = (np.array([pair[end] for pair in moved], dtype=np.int64) for end in (0, 1))
    counts = [draw(st.integers(1, 4)) for _ in moved]
    own = np.array([draw(st.integers(0, 4)) for _ in range(nodes)], dtype=np.int64)
    none = np.zeros(nodes, dtype=np.int64)
    moves = MoveColumns(owner, executor, np.array(counts, dtype=np.int64))
    return DecisionColumns(0, DEV, np.ones(nodes, dtype=bool), own, moves, none, none)


@given(decisions())
def test_every_node_runs_the_batches_that_it_would_be_given_one_by_one(decision: DecisionColumns) -> None:
    moves, nodes = decision.moves, len(decision.own_batches)
    wanted: dict[int, list[tuple[int, int]]] = {row: [] for row in range(nodes)}
    guests: list[tuple[int, int, int]] = []
    first = np.arange(nodes) * 10
    for owner in range(nodes):
        backlog = Backlog((DEV,), 0, lambda _: 0, demand=(100,))
        backlog.release(0)
        backlog.take(DEV, int(first[owner]))
        sends = [
            (int(e), int(n))
            for o, e, n in zip(moves.owner, moves.executor, moves.batches, strict=True)
            if o == owner
        ]
        taken = backlog.take(DEV, int(decision.own_batches[owner]) + sum(n for _, n in sends))
        home, leaving = taken[: decision.own_batches[owner]], taken[decision.own_batches[owner] :]
        wanted[owner] += [(owner, batch.batch_id) for batch in home]
        for executor, count in sends:
            part, leaving = leaving[:count], leaving[count:]
            guests += [(executor, owner, batch.batch_id) for batch in part]
    for executor, owner, number in sorted(guests):
        wanted[executor].append((owner, number))
    assert listed(work_of(decision, first)) == {row: batches for row, batches in wanted.items() if batches}


def listed(work: WorkColumns) -> dict[int, list[tuple[int, int]]]:
    """(owner, batch) by executor, in order."""
    found: dict[int, list[tuple[int, int]]] = {}
    for executor, owner, first, count in zip(
        work.executor.tolist(), work.owner.tolist(), work.first.tolist(), work.batches.tolist(), strict=True
    ):
        found.setdefault(executor, []).extend((owner, first + k) for k in range(count))
    return found


@given(decisions(), st.integers(1, 4))
def test_processes_share_the_work_and_none_twice(decision: DecisionColumns, processes: int) -> None:
    work = work_of(decision, np.zeros(len(decision.own_batches), dtype=np.int64))
    parts = dealt(work, processes)
    assert len(parts) == processes
    together: dict[int, list[tuple[int, int]]] = {}
    for part in parts:
        assert not together.keys() & listed(part).keys()
        together |= listed(part)
    assert together == listed(work)


def test_no_process_has_more_than_a_nodes_work_above_another() -> None:
    rows = np.arange(101)
    counts = np.random.default_rng(1).integers(1, 30, 101)
    work = WorkColumns(rows, rows, np.zeros(101, dtype=np.int64), counts)
    totals = [int(part.batches.sum()) for part in dealt(work, 4)]
    assert max(totals) - min(totals) <= counts.max()
