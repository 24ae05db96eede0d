"""Operating points and work chosen together: the program of program.py with one point for each node in its first slot.

Beside the program's own variables, for node j and point k: y_jk, whether it runs at k (0 or 1, at most one of them),
and p_jk, the batches that it runs there. Where y_jk = 1, p_jk is all that it runs in the slot, within the whole batches
for which k leaves time; else 0. (D1) has p_jk times the joules that k saves, and y_jk times what its idle power saves.
Later slots are linear, as in the program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from coordinator.market.fleet import Floats, Ints, PointCosts
from coordinator.market.program import Program

MOST_TREE_NODES = 2_000
"""Of branch and bound. A limit of time would make the choice depend on the machine."""
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class PointPlan:
    """Result of the program."""

    points: Ints
    """(N,) chosen."""
    objective_g: float
    """Of (D0), tie-break and penalties included."""
    optimal: bool
    """Proven within the gap asked for."""


def joint_points(program: Program, points: PointCosts, mip_gap: float = 1e-4) -> PointPlan | None:
    """Points and work with the fewest grams. None: the solver found no plan.

    Args:
        program: Of the fleet with every node at full speed in its first slot.
        points: Of the same fleet.
    """
    parts = _Parts(program, points)
    given = program.layout
    own = sparse.csc_matrix(
        (program.values, given.row_index, given.column_start), shape=(given.num_rows, given.num_columns)
    )
    rows = sparse.hstack([own, parts.saved()], format="csc")
    kept, lower, upper = parts.rows()
    every = parts.columns
    zeros, ones = np.zeros(every), np.ones(every)
    found = milp(
        np.concatenate([program.cost, zeros, zeros]),
        integrality=np.concatenate([program.integer.astype(int), zeros.astype(int), ones.astype(int)]),
        bounds=Bounds(
            np.concatenate([program.column_lower, zeros, zeros]),
            np.concatenate([program.column_upper, np.full(every, np.inf), parts.allowed.ravel()]),
        ),
        constraints=[
            LinearConstraint(rows, program.row_lower, program.row_upper),
            LinearConstraint(kept, lower, upper),
        ],
        options={"mip_rel_gap": mip_gap, "node_limit": MOST_TREE_NODES},
    )
    if found.x is None:
        return None
    runs = found.x[given.num_columns + every :].reshape(parts.allowed.shape) > 0.5
    chosen = np.where(runs.any(axis=1), 1 + np.argmax(runs, axis=1), 0)
    return PointPlan(
        chosen.astype(np.int64), float(found.fun) * program.grams_per_unit, bool(found.status == 0)
    )


class _Parts:
    """Columns p and y, (N, K - 1) each, and their rows."""

    def __init__(self, program: Program, points: PointCosts) -> None:
        self._program, self._points = program, points
        self.allowed = points.allowed[:, 1:].astype(float)
        self.columns = self.allowed.size
        self._nodes, self._choices = self.allowed.shape

    def saved(self) -> sparse.csc_matrix:
        """What p and y change in the program's own rows: (D1) of the first slot."""
        program, points = self._program, self._points
        demand = np.repeat(program.layout.rows["D1_energy_use"][:, 0], self._choices)
        compute = (1.0 - points.energy_times[:, 1:]) * points.compute_j[:, :1]
        idle = program.fleet.slot_s * (points.static_w[:, :1] - points.static_w[:, 1:])
        values = np.concatenate([compute.ravel(), idle.ravel()]) / program.joules_per_unit
        place = (np.concatenate([demand, demand]), np.arange(2 * self.columns))
        return sparse.csc_matrix((values, place), shape=(program.layout.num_rows, 2 * self.columns))

    def rows(self) -> tuple[sparse.csc_matrix, Floats, Floats]:
        """(rows over all columns, lower, upper): p <= M_jk y;  p >= run - M_j (1 - y);  sum p <= run;
        sum y <= 1, or a_j where nodes may sleep."""
        nodes, choices, layout = self._nodes, self._choices, self._program.layout
        most, all_of = self._fitting(), np.repeat(self._program.capacity_batches[:, :1], choices, axis=1)
        own = sparse.identity(self.columns, format="csr")
        total = sparse.kron(sparse.identity(nodes), np.ones((1, choices)), format="csr")
        run = self._run()
        per_choice = sparse.kron(sparse.identity(nodes), np.ones((choices, 1)), format="csr") @ run
        nothing = sparse.csr_matrix((self.columns, layout.num_columns))
        awake = self._awake()
        rows = sparse.bmat(
            [
                [nothing, own, -sparse.diags(most.ravel())],
                [-per_choice, own, -sparse.diags(all_of.ravel())],
                [-run, total, None],
                [-awake, None, total],
            ],
            format="csc",
        )
        infinite = np.full(self.columns, np.inf)
        one = np.zeros(nodes) if layout.shape.sleep else np.ones(nodes)
        lower = np.concatenate([-infinite, -all_of.ravel(), np.full(2 * nodes, -np.inf)])
        upper = np.concatenate([np.zeros(self.columns), infinite, np.zeros(nodes), one])
        return rows, lower, upper

    def _fitting(self) -> Floats:
        """(N, K - 1) M_jk: whole batches for which each point leaves time."""
        fleet = self._program.fleet
        wakes = fleet.asleep & fleet.limits.may_sleep
        time_s = np.where(wakes, np.maximum(fleet.slot_s - fleet.wake_s, 0.0), fleet.slot_s)[:, None]
        full_s = fleet.seconds_per_batch[:, :1]
        every = self._program.capacity_batches[:, :1]
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(full_s > 0, time_s * self._points.speed_fraction[:, 1:] / full_s, every)
        return np.asarray(np.minimum(np.floor(most + _EPSILON), every))

    def _run(self) -> sparse.csr_matrix:
        """(N, columns of the program) batches that each node runs in the first slot."""
        layout = self._program.layout
        home = layout.columns["home"][:, layout.entry_slot == 0]
        rows = [np.repeat(np.arange(self._nodes), home.shape[1])]
        columns = [home.ravel()]
        if "w" in layout.columns:
            rows.append(layout.executor)
            columns.append(layout.columns["w"][:, 0])
        row, column = np.concatenate(rows), np.concatenate(columns)
        return sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(self._nodes, layout.num_columns))

    def _awake(self) -> sparse.csr_matrix:
        """(N, columns of the program) a_j of the first slot; nothing where no node may sleep."""
        layout, shape = self._program.layout, (self._nodes, self._program.layout.num_columns)
        if not layout.shape.sleep:
            return sparse.csr_matrix(shape)
        place = (np.arange(self._nodes), layout.columns["a"][:, 0])
        return sparse.csr_matrix((np.ones(self._nodes), place), shape=shape)
