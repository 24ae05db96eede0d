"""Windows within which a node must be awake: rows that no plan breaks, and that tighten the relaxed model.

At least (1 - b_y) d_i(r) of a class of work stays at home, by (D4) and (D5). It runs in a slot in which the node is
awake (D7), or misses its deadline, or is left beyond the horizon:

    (1 - b_y) d_i(r) sum_{t in [r, r + q]} a_i(t) + unserved_i(r) + left_i(r)  >=  (1 - b_y) d_i(r)

Whole a_i(t) satisfy it anyway. A relaxed a_i(t) need not: (D7) asks only for the share of the slot that the work takes,
which is why the relaxation bounds so badly (methods.md section 1) and a solver searches so long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats, Ints
from coordinator.market.program import Program

LEAST_BATCHES = 1e-6
"""Work that stays at home, below this, is rounding."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows ``values[start[k]:start[k + 1]] @ columns >= least[k]``."""

    least: Floats
    start: Ints
    columns: Ints
    values: Floats


def staying_batches(program: Program) -> Floats:
    """(N, C) batches of each class that no plan can move away."""
    return program.class_batches - program.class_room_batches * program.restrictions.offloading


def own_windows(program: Program) -> list[list[tuple[int, int]]]:
    """For each node, first and last slot of the windows within which it must be awake to do all its work."""
    layout, stays = program.layout, staying_batches(program) > LEAST_BATCHES
    return [
        [(int(layout.class_first[c]), int(layout.class_last[c])) for c in np.flatnonzero(stays[node])]
        for node in range(program.fleet.size)
    ]


def awake_rows(program: Program) -> Rows:
    """The rows above for every class with work that stays; none where nodes may not sleep."""
    layout, col = program.layout, program.layout.columns
    least: list[float] = []
    columns: list[Ints] = []
    values: list[Floats] = []
    if "a" in col:
        stays = staying_batches(program)
        for node, c in np.argwhere(stays > LEAST_BATCHES):
            window = col["a"][node, layout.class_first[c] : layout.class_last[c] + 1]
            undone = [col[name][node, c] for name in ("unserved", "left") if name in col]
            least.append(stays[node, c])
            columns.append(np.concatenate([window, undone]))
            values.append(np.concatenate([np.full(len(window), stays[node, c]), np.ones(len(undone))]))
    if not least:
        return Rows(np.zeros(0), np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0))
    start = np.concatenate([[0], np.cumsum([len(row) for row in columns])])
    return Rows(
        np.array(least),
        start.astype(np.int32),
        np.concatenate(columns).astype(np.int32),
        np.concatenate(values),
    )
