"""The one file that names the solver: programs to HiGHS and back, the result as a value.

Only a proven optimum is called optimal; a time-out gives the best plan found with its gap, or none. Solves
are a function of the program alone (one thread, fixed seed, no basis carried from one decision to the next:
with ties a warm start would make a decision depend on what was solved before it, and a recorded run would
not replay). Within one decision a ``Session`` re-solves with changed bounds from its own basis."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import highspy
import numpy as np
from scipy import sparse

from coordinator.market.awake import Rows, awake_rows
from coordinator.market.decision import Infeasible
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.layout import Layout, Restrictions
from coordinator.market.lp_file import make_common
from coordinator.market.numbers import numbers
from coordinator.market.program import Program, build

_INFINITY = highspy.kHighsInf
_MINIMISE = highspy.ObjSense.kMinimize.value
_BY_COLUMN = highspy.MatrixFormat.kColwise.value
_TIME_LIMIT = "Time limit reached"
"""HiGHS's word for it."""
_SERVED = 1e-6
"""Unserved work below this many batches is the solver's rounding."""


@dataclass(frozen=True, slots=True)
class SolverOptions:
    """Options of the solver."""

    mip_gap_fraction: float = 1e-4
    """Stop a mixed-integer solve at this gap."""
    time_limit_s: float | None = None
    """Wall seconds per solve; None: no limit. A limit that is hit makes a run irreproducible: it is
    reported."""
    method: str = "choose"
    """HiGHS ``solver`` for LPs: ``choose``, ``simplex``, ``ipm`` or ``pdlp``."""

    def __post_init__(self) -> None:
        if not 0 <= self.mip_gap_fraction < 1:
            raise ValueError(
                f"mip_gap_fraction is {self.mip_gap_fraction}; allowed is 0 up to (not including) 1"
            )
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ValueError(f"time_limit_s is {self.time_limit_s}; allowed is more than 0, or none")
        if self.method not in ("choose", "simplex", "ipm", "pdlp"):
            raise ValueError(f"method is {self.method!r}; allowed are choose, simplex, ipm, pdlp")


@dataclass(frozen=True, slots=True)
class Solution:
    """Result of the solver for one program."""

    values: Floats | None
    """Columns in the program's units; None when the solver has no point that keeps the constraints."""
    optimal: bool
    gap_fraction: float | None
    """Proven distance to the optimum; None: no bound."""
    bound: float | None
    """Lower bound of the objective, program units."""
    objective: float | None
    """Objective of ``values``, program units (penalties and tie-break included)."""
    message: str
    row_duals: Floats | None
    """Prices of the program's rows, LP only."""
    pass_s: float
    """Wall time to hand the model over."""
    run_s: float
    """Wall time of the solver's own run."""

    @property
    def timed_out(self) -> bool:
        """Whether the time limit, and not a proof, ended the solve."""
        return self.message == _TIME_LIMIT


class Session:
    """One program in the solver; re-solved with changed bounds from the last basis.

    ``tighten``: with the rows of coordinator.market.awake, where nodes may sleep; they come after the program's own.
    """

    def __init__(
        self, program: Program, options: SolverOptions | None = None, *, tighten: bool = True
    ) -> None:
        self.program = program
        self.options = options or SolverOptions()
        started = time.perf_counter()
        self._highs = _new_highs(self.options)
        self._mixed = program.is_mixed_integer
        _pass(self._highs, program, self._mixed)
        if tighten:
            _add_rows(self._highs, awake_rows(program))
        self._pass_s = time.perf_counter() - started

    def run(self) -> Solution:
        """Solve the program as it stands."""
        highs = self._highs
        started = time.perf_counter()
        if self._mixed:
            start = awake_start(self.program, self.options)
            if self.options.time_limit_s is not None:
                left = self.options.time_limit_s - (time.perf_counter() - started)
                highs.setOptionValue("time_limit", max(left, 0.01))
            if start is not None:
                known = highspy.HighsSolution()
                known.col_value = start.tolist()
                known.value_valid = True
                highs.setSolution(known)
        highs.run()
        run_s = time.perf_counter() - started
        pass_s, self._pass_s = self._pass_s, 0.0
        return _read(highs, self.program, pass_s, run_s)

    def fix(self, columns: Ints, values: Floats) -> None:
        """Fix ``columns`` at ``values`` for the next run."""
        index = np.ascontiguousarray(columns, dtype=np.int32)
        level = np.ascontiguousarray(values, dtype=np.float64)
        self._highs.changeColsBounds(len(index), index, level, level)

    def set_right(self, rows: Ints, values: Floats) -> None:
        """Right-hand sides of the equations ``rows`` for the next run."""
        for row, level in zip(rows.tolist(), values.tolist(), strict=True):
            self._highs.changeRowBounds(row, level, level)

    def relax_integers(self) -> None:
        """Forget that columns must be whole (once they are fixed), and the time limit: an LP is left,
        quickly solved."""
        index = np.flatnonzero(self.program.integer).astype(np.int32)
        kinds = np.zeros(len(index), dtype=np.uint8)
        self._highs.changeColsIntegrality(len(index), index, kinds)
        self._highs.setOptionValue("time_limit", _INFINITY)
        self._mixed = False

    def write(self, path: Path, node_ids: tuple[str, ...]) -> None:
        """Write the model as ``.lp`` or ``.mps`` with readable names; see ``write``."""
        names = self.program.layout.column_names(node_ids)
        for index, name in enumerate(names):
            self._highs.passColName(index, name)
        for index, name in enumerate(self.program.layout.row_names(node_ids)):
            self._highs.passRowName(index, name)
        status = self._highs.writeModel(str(path))
        if status == highspy.HighsStatus.kError:
            raise OSError(f"the solver could not write {path}; check that the folder exists and is writable")
        if path.suffix == ".lp":
            make_common(path, next(iter(names)))


def solve(program: Program, options: SolverOptions | None = None) -> Solution:
    """Solve ``program`` once."""
    return Session(program, options).run()


def export(program: Program, path: Path) -> None:
    """Write ``program`` unscaled (J, batches, g) with names that carry the equation numbers.

    ``path`` ends in ``.lp`` or ``.mps``, which HiGHS, GLPK, CBC, CPLEX, Gurobi and SCIP read. Raises ValueError
    for another ending."""
    plain = build(
        program.fleet,
        program.restrictions,
        whole_batches=program.whole_batches,
        scaled=False,
        stored_value=program.stored_value,
    )
    write(plain, path)


def write(program: Program, path: Path) -> None:
    """Write ``program`` as it is, costs and scale included; otherwise as ``export``."""
    if path.suffix not in (".lp", ".mps"):
        raise ValueError(f"cannot export to {path.name!r}; allowed endings are .lp and .mps")
    Session(program, tighten=False).write(path, program.fleet.node_ids)


def unserved(program: Program, values: Floats) -> float:
    """Batches that miss a deadline within the horizon."""
    total = float(values[program.layout.columns["unserved"]].sum())
    return total if total > _SERVED else 0.0


def explain_unserved(program: Program) -> Infeasible:
    """Which limits must give way, and by how much, for all work to be done by its deadline.

    Elastic re-solve: every batch served, each of the limits (D5), (D7) time and (D7) storage may be
    exceeded; least excess in batches. Excess is reported in the limit's own unit: batches, seconds, bytes; of whole
    batches it is what the last of them lack, not their whole length. An LP without time limit: why work is left undone
    must not depend on the machine.
    """
    layout, fleet = program.layout, program.fleet
    row, col = layout.rows, layout.columns
    size = fleet.bytes_per_batch[None, :]
    parts = _parts_of_batches(program)
    limits: list[tuple[str, str, Floats]] = [("D7_time", "seconds", np.asarray(fleet.seconds_per_batch))]
    if program.restrictions.offloading:
        limits.append(("D5_offload_cap", "batches", np.ones(row["D5_offload_cap"].shape)))
        limits.append(("D7_storage", "bytes", np.broadcast_to(size, row["D7_storage"].shape)))
    rows = np.concatenate([row[name].ravel() for name, _, _ in limits])

    relaxed = replace(
        program, column_upper=program.column_upper.copy(), integer=np.zeros_like(program.integer)
    )
    relaxed.column_upper[col["unserved"]] = 0.0
    highs = _new_highs(SolverOptions())
    _pass(highs, relaxed, False)
    # first the least excess, at any emissions; energy comes second and does not matter for the message
    highs.changeColsCost(
        layout.num_columns, np.arange(layout.num_columns, dtype=np.int32), np.zeros(layout.num_columns)
    )
    for index in rows:
        highs.addCol(1.0, 0.0, _INFINITY, 1, np.array([index], dtype=np.int32), np.array([-1.0]))
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return Infeasible((f"no reason found: {highs.modelStatusToString(highs.getModelStatus())}",))
    excess = np.asarray(highs.getSolution().col_value)[layout.num_columns :]
    names = np.array(layout.row_names(fleet.node_ids), dtype=object)
    scale = np.concatenate([unit.ravel() for _, _, unit in limits])
    units = np.concatenate([np.full(row[name].size, unit, dtype=object) for name, unit, _ in limits])
    broken = np.flatnonzero(excess > _SERVED)
    if program.whole_batches:
        excess = np.ceil(excess - _SERVED) - np.concatenate([parts[name].ravel() for name, _, _ in limits])
    found = {f"{names[rows[k]]} [{units[k]}]": float(excess[k] * scale[k]) for k in broken}
    return Infeasible(("(D4) all work done by its deadline", *found), found)


def _parts_of_batches(program: Program) -> dict[str, Floats]:
    """By limit, the part of a batch for which there is room beside the whole ones, in batches below 1; nothing where
    the program does not round its limits down."""
    exact = numbers(
        *(program.layout, program.fleet, program.restrictions, program.stored_value),
        whole_batches=False,
        scaled=False,
    )
    rooms = {
        "D7_time": (exact.capacity, program.capacity_batches),
        "D5_offload_cap": (exact.work.room, program.class_room_batches),
        "D7_storage": (exact.guest_room, program.guest_room_batches),
    }
    return {
        name: np.where(np.isfinite(room), room, 0.0) - np.where(np.isfinite(whole), whole, 0.0)
        for name, (room, whole) in rooms.items()
    }


def find_conflicts(fleet: Fleet, restrictions: Restrictions) -> Infeasible | None:
    """Whether a plan that does all of ``fleet``'s work exists at all under ``restrictions``; else what is in
    its way.

    For refusing an impossible scenario before it starts: give it a fleet whose horizon is the whole run.
    """
    awake = replace(fleet, limits=replace(fleet.limits, may_sleep=False))
    reason = explain_unserved(build(awake, restrictions, whole_batches=True))
    return reason if reason.excess else None


def to_matrix(program: Program) -> sparse.csc_matrix:
    """The constraint matrix as scipy sees it, for checks and other solvers."""
    layout = program.layout
    return sparse.csc_matrix(
        (program.values, layout.row_index, layout.column_start), shape=(layout.num_rows, layout.num_columns)
    )


_AWAKE_THRESHOLDS = (0.2, 1e-6, -1.0)
"""Relaxed a_i(t) above which a node is awake in the first plan; the last one wakes every node."""


def awake_start(program: Program, options: SolverOptions) -> Floats | None:
    """A plan that leaves as little work unserved as being awake throughout does, for a mixed-integer solve
    to start from: the relaxation's a_i(t) rounded up above a threshold. Without it the solver's own first
    plans drop work."""
    awake = program.layout.columns["a"]
    relaxed = replace(program, integer=np.zeros_like(program.integer))
    if options.time_limit_s is not None:
        options = replace(options, time_limit_s=options.time_limit_s / 4.0)
    first = Session(relaxed, options).run()
    best: Solution | None = None
    if first.values is None:
        return None
    for threshold in _AWAKE_THRESHOLDS:
        level = (first.values[awake] > threshold).astype(float)
        fixed = replace(
            relaxed, column_lower=relaxed.column_lower.copy(), column_upper=relaxed.column_upper.copy()
        )
        fixed.column_lower[awake] = level
        fixed.column_upper[awake] = level
        found = Session(fixed, options).run()
        if found.values is not None and (best is None or (found.objective or 0.0) < (best.objective or 0.0)):
            best = found
        if best is not None and best.values is not None and unserved(program, best.values) == 0.0:
            break
    return None if best is None else best.values


class _SilentHighs(highspy.Highs):
    """HiGHS that prints nothing, from its first call on.

    The constructor of ``highspy.Highs`` enables callbacks, and from 1.16 on that prints a banner unless output is
    already off.
    """

    def enableCallbacks(self) -> None:
        """Switch output off, then enable callbacks."""
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


def _new_highs(options: SolverOptions) -> highspy.Highs:
    highs = _SilentHighs()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", 0)
    highs.setOptionValue("solver", options.method)
    highs.setOptionValue("mip_rel_gap", options.mip_gap_fraction)
    if options.time_limit_s is not None:
        highs.setOptionValue("time_limit", options.time_limit_s)
    return highs


def _refuse_unknown(cost: Floats) -> None:
    """HiGHS takes a cost that is no number, and calls a plan optimal."""
    if np.isnan(cost).any():
        raise ValueError(
            f"{int(np.isnan(cost).sum())} of {cost.size} costs are not a number; give every variable one"
        )


def _pass(highs: highspy.Highs, program: Program, mixed_integer: bool) -> None:
    layout: Layout = program.layout
    _refuse_unknown(program.cost)
    common = (
        layout.num_columns,
        layout.num_rows,
        len(program.values),
        _BY_COLUMN,
        _MINIMISE,
        0.0,
        program.cost,
        program.column_lower,
        program.column_upper,
        program.row_lower,
        program.row_upper,
        layout.column_start,
        layout.row_index,
        program.values,
    )
    kinds = (
        program.integer.astype(np.int32) if mixed_integer else np.zeros(layout.num_columns, dtype=np.int32)
    )
    status = highs.passModel(*common, kinds)
    if status == highspy.HighsStatus.kError:
        raise ValueError(
            "the solver refused the program: a coefficient or bound is not a number or out of range"
        )


def _add_rows(highs: highspy.Highs, rows: Rows) -> None:
    if len(rows.least):
        none = np.full(len(rows.least), _INFINITY)
        highs.addRows(
            len(rows.least), rows.least, none, len(rows.columns), rows.start, rows.columns, rows.values
        )


def _read(highs: highspy.Highs, program: Program, pass_s: float, run_s: float) -> Solution:
    status = highs.getModelStatus()
    info = highs.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    message = highs.modelStatusToString(status)
    if not feasible:
        return Solution(None, False, None, None, None, message, None, pass_s, run_s)
    solution = highs.getSolution()
    values = np.asarray(solution.col_value)
    objective = float(info.objective_function_value)
    proven = status == highspy.HighsModelStatus.kOptimal
    mixed = info.mip_node_count >= 0
    bound: float | None = objective if proven else None
    gap: float | None = 0.0 if proven else None
    if mixed:
        bound = float(info.mip_dual_bound) if np.isfinite(info.mip_dual_bound) else None
        gap = float(info.mip_gap) if np.isfinite(info.mip_gap) else None
    duals = None if mixed else np.asarray(solution.row_dual)[: program.layout.num_rows]
    optimal = proven and gap is not None and gap <= 1e-6
    return Solution(values, optimal, gap, bound, objective, message, duals, pass_s, run_s)


@dataclass(frozen=True, slots=True)
class LpSolution:
    """Result of the solver for a plain linear program."""

    values: Floats | None
    """None unless proven optimal."""
    objective: float | None
    row_duals: Floats | None
    message: str
    run_s: float
    """Wall time of the solver's own run."""


def solve_lp(
    cost: Floats,
    matrix: sparse.csc_matrix,
    row_lower: Floats,
    row_upper: Floats,
    column_upper: Floats,
    options: SolverOptions | None = None,
) -> LpSolution:
    """min cost'x, row_lower <= matrix x <= row_upper, 0 <= x <= column_upper: for programs in other forms than
    ``Program``, such as the hub form (hub_lp.py)."""
    rows, columns = matrix.shape
    _refuse_unknown(cost)
    highs = _new_highs(options or SolverOptions())
    status = highs.passModel(
        columns,
        rows,
        matrix.nnz,
        _BY_COLUMN,
        _MINIMISE,
        0.0,
        cost,
        np.zeros(columns),
        column_upper,
        row_lower,
        row_upper,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        matrix.data,
        np.zeros(columns, dtype=np.int32),
    )
    if status == highspy.HighsStatus.kError:
        raise ValueError("the solver refused the program: a coefficient or bound is not a number")
    started = time.perf_counter()
    highs.run()
    run_s = time.perf_counter() - started
    message = highs.modelStatusToString(highs.getModelStatus())
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return LpSolution(None, None, None, message, run_s)
    solution = highs.getSolution()
    return LpSolution(
        np.asarray(solution.col_value),
        float(highs.getInfo().objective_function_value),
        np.asarray(solution.row_dual),
        message,
        run_s,
    )
