"""The one file that names the solver: programs to HiGHS and back, the result as a value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import highspy
import numpy as np
import pytest
from scipy import sparse

from carbon_data.stored_value import linear
from coordinator.market import solve as module
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.program import build
from coordinator.market.solve import (
    Solution,
    SolverOptions,
    awake_start,
    explain_unserved,
    export,
    find_conflicts,
    solve,
    to_matrix,
    unserved,
)
from tests.coordinator.market.plans import plan_of, two_nodes

LOCAL_LP = Restrictions(transfers=False, offloading=False, harvest=True)
DAT = Restrictions(transfers=False, offloading=True, harvest=True)
DETA = Restrictions(transfers=True, offloading=True, harvest=True)


def test_work_that_fits_nowhere_is_reported_not_dropped() -> None:
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]))
    program = build(fleet, LOCAL_LP)
    values = solve(program).values
    assert values is not None
    assert unserved(program, values) == pytest.approx(40.0)
    reason = explain_unserved(program)
    assert reason.conflicts[0] == "(D4) all work done by its deadline"
    assert reason.excess == {"D7_time.edge_00.t0 [seconds]": pytest.approx(40.0)}


def test_conflicting_limits_are_named() -> None:
    # both nodes together have the time, but storage has room for only three offloaded batches
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]), storage_bytes=np.array([0.0, 3e6]))
    program = build(fleet, DAT)
    reason = explain_unserved(program)
    assert sum(reason.excess.values()) > 0
    assert {name.split(".")[0] for name in reason.excess} <= {"D7_time", "D7_storage", "D5_offload_cap"}
    assert any(name.startswith(("D7_time.edge_00", "D7_storage.edge_01")) for name in reason.excess)


def test_an_exceeded_limit_is_told_in_its_own_unit() -> None:
    """100 batches of 1 MB, all of which may leave. Node 0 has time for 60, node 1's storage for three: 37 too many, of
    time where no node is quicker; where node 1 has time for 120, of storage or of that, as the solver likes."""
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]), storage_bytes=np.array([0.0, 3e6]))
    fleet = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=1.0))
    slow, quick = fleet, replace(fleet, seconds_per_batch=np.array([[1.0], [0.5]]))
    time_s, storage = ("D7_time.edge_00.t0 [seconds]", 37.0), ("D7_storage.edge_01.t0 [bytes]", 37e6)
    for one, allowed in ((slow, (time_s,)), (quick, (time_s, storage))):
        reason = explain_unserved(build(one, DAT))
        ((name, excess),) = reason.excess.items()
        assert (name, pytest.approx(excess)) in allowed
        assert reason.conflicts == ("(D4) all work done by its deadline", name)


def test_impossible_scenarios_are_found_before_they_start() -> None:
    assert find_conflicts(reference_day(6, nodes=4), LOCAL_LP) is None
    day = reference_day(4, nodes=2)
    late = day.release_batches.copy()
    late[1, 2] = 200
    reason = find_conflicts(replace(day, release_batches=late), LOCAL_LP)
    assert reason is not None
    assert list(reason.excess) == ["D7_time.edge_01.t3 [seconds]"]
    # 60 s hold 48 whole batches of 1.25 s; 152 too many
    assert reason.excess["D7_time.edge_01.t3 [seconds]"] == pytest.approx(152 * 1.25)


@pytest.mark.parametrize("ending", [".lp", ".mps"])
def test_export_names_the_equations(tmp_path, ending: str) -> None:  # type: ignore[no-untyped-def]
    program = build(reference_day(2, nodes=2), DETA)
    path = tmp_path / f"model{ending}"
    export(program, path)
    text = path.read_text()
    for name in (
        "D1_energy_use.edge_00.t1",
        "D2_green_bus.edge_01.t0",
        "D4_all_work_done.edge_00.r1d1",
        "w.edge_00.edge_01.t0",
    ):
        assert name in text
    with pytest.raises(ValueError, match=r"\.lp and \.mps"):
        export(program, tmp_path / "model.txt")


def test_exported_program_has_the_same_optimum(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Read back unscaled by an independent solver (scipy's dual simplex on the matrices): same grams."""
    from scipy.optimize import linprog

    fleet = reference_day(3, nodes=3)
    scaled = plan_of(fleet, DETA)
    plain = build(fleet, DETA, scaled=False, tie_break=False)
    matrix = to_matrix(plain)
    equal = plain.row_lower == plain.row_upper
    at_most = ~equal & np.isfinite(plain.row_upper)
    result = linprog(
        plain.cost,
        A_eq=matrix[equal],
        b_eq=plain.row_upper[equal],
        A_ub=matrix[at_most],
        b_ub=plain.row_upper[at_most],
        bounds=np.column_stack([plain.column_lower, plain.column_upper]),
        method="highs-ipm",
    )
    assert result.fun == pytest.approx(scaled.objective_g, rel=1e-6)


def test_a_time_limit_is_kept_and_said() -> None:
    program = build(reference_day(24), DETA)
    cut = solve(program, SolverOptions(time_limit_s=1e-9))
    assert cut.timed_out
    assert (cut.values, cut.optimal, cut.gap_fraction, cut.bound, cut.objective) == (
        None,
        False,
        None,
        None,
        None,
    )
    assert cut.row_duals is None
    whole = solve(program, SolverOptions(time_limit_s=600.0))
    assert (whole.optimal, whole.timed_out, whole.gap_fraction) == (True, False, 0.0)
    assert whole.bound == whole.objective
    assert whole.row_duals is not None
    assert whole.row_duals.shape == (program.layout.num_rows,)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mip_gap_fraction": 1.0}, "mip_gap_fraction is 1.0; allowed is 0 up to"),
        ({"mip_gap_fraction": -0.1}, "mip_gap_fraction is -0.1; allowed is 0 up to"),
        ({"time_limit_s": 0.0}, "time_limit_s is 0.0; allowed is more than 0, or none"),
        ({"method": "guess"}, "method is 'guess'; allowed are choose, simplex, ipm, pdlp"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SolverOptions(**options)  # type: ignore[arg-type]


def sleepers() -> Fleet:
    day = reference_day(4, nodes=3)
    return replace(
        day,
        limits=replace(day.limits, may_sleep=True, deadline_slots=1),
        backlog_batches=np.hstack([np.zeros((3, 1), dtype=np.int64), day.backlog_batches]),
    )


def test_the_plan_to_start_from_keeps_every_limit_and_does_all_work() -> None:
    """Somebody sleeps in it, so that it costs less than being awake throughout, and no less than the optimum."""
    program = build(sleepers(), DETA, whole_batches=True)
    start = awake_start(program, SolverOptions())
    assert start is not None
    awake = start[program.layout.columns["a"]]
    np.testing.assert_array_equal(awake, np.rint(awake))
    assert awake.min() == 0.0
    assert unserved(program, start) == 0.0
    rows = to_matrix(program) @ start
    assert (rows >= program.row_lower - 1e-6).all()
    assert (rows <= program.row_upper + 1e-6).all()
    assert (start >= -1e-9).all()
    assert (start <= program.column_upper + 1e-6).all()
    throughout = replace(
        program, column_lower=program.column_lower.copy(), integer=np.zeros_like(program.integer)
    )
    throughout.column_lower[program.layout.columns["a"]] = 1.0
    all_awake, best = solve(throughout).objective, solve(program, SolverOptions(mip_gap_fraction=0.05)).bound
    assert all_awake is not None
    assert best is not None
    assert best - 1e-6 <= float(program.cost @ start) < all_awake


def test_no_plan_to_start_from_is_found_in_no_time() -> None:
    program = build(sleepers(), DETA, whole_batches=True)
    assert awake_start(program, SolverOptions(time_limit_s=1e-9)) is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (SolverOptions(), {"solver": "choose", "mip_rel_gap": 1e-4, "time_limit": np.inf}),
        (SolverOptions(0.03, 12.5, "ipm"), {"solver": "ipm", "mip_rel_gap": 0.03, "time_limit": 12.5}),
    ],
)
def test_the_solver_is_quiet_has_one_thread_and_a_fixed_seed(
    options: SolverOptions, expected: dict[str, object]
) -> None:
    highs = module._new_highs(options)
    always = {"threads": 1, "random_seed": 0, "output_flag": False}
    for name, wanted in (always | expected).items():
        assert highs.getOptionValue(name)[1] == wanted, name


OPTIMAL, LIMIT = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kTimeLimit


@pytest.mark.parametrize(
    ("status", "nodes", "mip", "expected"),
    [
        (OPTIMAL, -1, (0.0, 0.0), (True, 0.0, 7.0, True)),  # a linear program
        (LIMIT, -1, (0.0, 0.0), (False, None, None, True)),
        (OPTIMAL, 0, (6.9, 1e-6), (True, 1e-6, 6.9, False)),  # a mixed one
        (OPTIMAL, 3, (6.9, 2e-6), (False, 2e-6, 6.9, False)),
        (LIMIT, 3, (6.0, 1e-7), (False, 1e-7, 6.0, False)),
        (LIMIT, 3, (-np.inf, np.inf), (False, None, None, False)),
        (OPTIMAL, 3, (6.0, np.inf), (False, None, 6.0, False)),
    ],
)
def test_what_the_solver_says_is_read(
    status: highspy.HighsModelStatus, nodes: int, mip: tuple[float, float], expected: tuple[object, ...]
) -> None:
    program = build(reference_day(2, nodes=2), LOCAL_LP)
    rows = program.layout.num_rows
    info = SimpleNamespace(
        primal_solution_status=highspy.SolutionStatus.kSolutionStatusFeasible,
        objective_function_value=7.0,
        mip_node_count=nodes,
        mip_dual_bound=mip[0],
        mip_gap=mip[1],
    )
    said: Any = SimpleNamespace(
        getModelStatus=lambda: status,
        getInfo=lambda: info,
        modelStatusToString=lambda one: f"said {one.name}",
        getSolution=lambda: SimpleNamespace(col_value=[1.0, 2.0], row_dual=list(range(rows + 3))),
    )
    found = module._read(said, program, 0.5, 0.25)
    optimal, gap, bound, duals = expected
    assert (found.optimal, found.gap_fraction, found.bound, found.objective) == (optimal, gap, bound, 7.0)
    assert found.values is not None
    assert found.values.tolist() == [1.0, 2.0]
    shown = None if found.row_duals is None else found.row_duals.tolist()
    assert shown == (list(range(rows)) if duals else None)
    assert (found.message, found.pass_s, found.run_s) == (f"said {status.name}", 0.5, 0.25)
    info.primal_solution_status = highspy.SolutionStatus.kSolutionStatusInfeasible
    none = module._read(said, program, 0.5, 0.25)
    assert none == Solution(None, False, None, None, None, f"said {status.name}", None, 0.5, 0.25)


class Recorder(module._SilentHighs):
    """The solver, and what it was told."""

    told: ClassVar[list[tuple[str, object]]] = []

    def setOptionValue(self, name: str, value: object) -> object:
        self.told.append((name, value))
        return super().setOptionValue(name, value)

    def setSolution(self, *solution: Any) -> object:
        self.told.append(("start", list(solution[0].col_value)))
        return super().setSolution(*solution)


def test_a_mixed_program_starts_from_the_plan_found_and_keeps_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program, options = build(sleepers(), DETA, whole_batches=True), SolverOptions(0.2, 50.0)
    start = awake_start(program, SolverOptions())
    given: list[tuple[object, object]] = []

    def known(*arguments: object) -> object:
        given.append((arguments[0], arguments[1]))
        return start

    assert start is not None
    monkeypatch.setattr(module, "_SilentHighs", Recorder)
    monkeypatch.setattr(module, "awake_start", known)
    monkeypatch.setattr(
        module, "time", SimpleNamespace(perf_counter=iter(np.arange(30.0, 99.0, 10.0)).__next__)
    )
    Recorder.told.clear()
    session = module.Session(program, options)
    found = session.run()
    assert given == [(program, options)]
    limits = [value for name, value in Recorder.told if name == "time_limit"]
    assert limits == [50.0, 40.0], "ten seconds were used up by the plan to start from"
    assert [value for name, value in Recorder.told if name == "start"] == [start.tolist()]
    assert (found.pass_s, found.run_s) == (10.0, 20.0)
    assert found.row_duals is None
    monkeypatch.setattr(
        module, "time", SimpleNamespace(perf_counter=iter(np.arange(0.0, 999.0, 100.0)).__next__)
    )
    Recorder.told.clear()
    again = session.run()
    assert [value for name, value in Recorder.told if name == "time_limit"] == [0.01]
    assert again.pass_s == 0.0, "the model was handed over once"


def test_columns_are_fixed_right_sides_set_and_whole_numbers_forgotten() -> None:
    program = build(sleepers(), DETA, whole_batches=True)
    columns, rows = program.layout.columns, program.layout.rows
    session = module.Session(program, SolverOptions(0.05, 100.0))
    first = session.run()
    assert first.values is not None
    assert first.row_duals is None
    session.fix(columns["a"].ravel(), np.ones(columns["a"].size, dtype=int))
    home = columns["home"].ravel()
    home = home[first.values[home] > 1e-3][:3]
    level = first.values[home] * np.array([0.5, 0.25, 0.75])
    session.fix(home, level)
    demand = rows["D1_energy_use"][:, 0]
    right = program.row_lower[demand] + np.array([0.1, 0.2, 0.3])
    session.set_right(demand, right)
    session.relax_integers()
    second = session.run()
    assert second.values is not None
    assert second.row_duals is not None
    assert second.values[columns["a"]].min() == 1.0
    assert second.values[home] == pytest.approx(level)
    assert (to_matrix(program) @ second.values)[demand] == pytest.approx(right)
    assert session._highs.getOptionValue("time_limit")[1] == np.inf
    assert highspy.HighsVarType.kInteger not in list(session._highs.getLp().integrality_)


def test_of_the_plans_to_start_from_the_first_that_does_all_work_or_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = build(sleepers(), DETA, whole_batches=True)
    a, late = program.layout.columns["a"], program.layout.columns["unserved"]
    relaxed = np.zeros(program.layout.num_columns)
    relaxed[a] = np.resize([0.5, 0.2, 1e-6, 0.0], a.shape)
    seen: list[tuple[Any, Any]] = []
    queue: list[Any] = []

    class Queued:
        def __init__(self, one: Any, options: Any) -> None:
            seen.append((one, options))

        def run(self) -> Any:
            return queue.pop(0)

    def plan(objective: float | None, undone: float) -> Any:
        values = np.full(program.layout.num_columns, objective or 0.0)
        values[late] = 0.0
        values[late.ravel()[0]] = undone
        return SimpleNamespace(values=values, objective=objective)

    nothing = SimpleNamespace(values=None, objective=None)
    monkeypatch.setattr(module, "Session", Queued)
    for plans, tried, best in (
        ([plan(5.0, 0.0)], 1, 5.0),
        ([plan(5.0, 2.0), plan(6.0, 0.0), plan(4.0, 0.0)], 3, 4.0),
        ([plan(5.0, 2.0), plan(4.0, 0.0)], 2, 4.0),
        ([plan(5.0, 2.0), plan(6.0, 1.0), plan(7.0, 1.0)], 3, 5.0),
        ([nothing, plan(6.0, 1.0), nothing], 3, 6.0),
        ([nothing, nothing, nothing], 3, None),
        ([plan(None, 1.0), plan(-1.0, 1.0), plan(1.0, 1.0)], 3, -1.0),
    ):
        seen.clear()
        queue[:] = [SimpleNamespace(values=relaxed), *plans]
        found = awake_start(program, SolverOptions(0.3, 8.0))
        assert (None if found is None else found[a.ravel()[0]]) == best
        assert len(seen) == 1 + tried
        for one, options in seen:
            assert options == SolverOptions(0.3, 2.0)
            assert not one.integer.any()
        for (one, _), least in zip(seen[1:], (0.2, 1e-6, -1.0), strict=False):
            for side in (one.column_lower, one.column_upper):
                assert side[a].tolist() == (relaxed[a] > least).astype(float).tolist()
                others = np.delete(np.arange(len(side)), a.ravel())
                whole = program.column_lower if side is one.column_lower else program.column_upper
                assert side[others].tolist() == whole[others].tolist()
    queue[:] = [nothing]
    assert awake_start(program, SolverOptions()) is None
    assert seen[-1][1] == SolverOptions()


def test_a_linear_program_by_hand() -> None:
    """min -x - 2 y, x + y at most 4 and 2 y + z exactly 5, x up to 3, y up to 2, z up to 9."""
    matrix = sparse.csc_matrix(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]]))
    cost, upper = np.array([-1.0, -2.0, 0.0]), np.array([3.0, 2.0, 9.0])
    found = module.solve_lp(cost, matrix, np.array([-np.inf, 5.0]), np.array([4.0, 5.0]), upper)
    assert found.values is not None
    assert found.row_duals is not None
    assert found.values.tolist() == pytest.approx([2.0, 2.0, 1.0])
    assert found.objective == pytest.approx(-6.0)
    assert found.row_duals.tolist() == pytest.approx([-1.0, 0.0])
    assert found.message == "Optimal"
    assert found.run_s >= 0.0
    none = module.solve_lp(cost, matrix, np.array([10.0, 5.0]), np.array([np.inf, 5.0]), upper)
    assert (none.values, none.objective, none.row_duals, none.message) == (None, None, None, "Infeasible")
    with pytest.raises(ValueError, match="a coefficient or bound is not a number"):
        module.solve_lp(cost, matrix, np.full(2, np.inf), np.full(2, np.inf), upper)


def test_a_cost_that_is_no_number_is_refused_in_either_form() -> None:
    matrix = sparse.csc_matrix(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]]))
    cost = np.array([-1.0, np.nan, 0.0])
    with pytest.raises(ValueError, match="1 of 3 costs are not a number; give every variable one"):
        module.solve_lp(cost, matrix, np.zeros(2), np.full(2, 5.0), np.ones(3))
    program = build(two_nodes(), DETA)
    lost = program.cost.copy()
    lost[:2] = np.nan
    with pytest.raises(ValueError, match=f"2 of {lost.size} costs are not a number"):
        solve(replace(program, cost=lost))


def test_a_linear_program_is_solved_with_the_options_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SolverOptions] = []
    make = module._new_highs

    def noted(options: SolverOptions) -> Any:
        seen.append(options)
        return make(options)

    monkeypatch.setattr(module, "_new_highs", noted)
    one = np.ones(1)
    for options in (None, SolverOptions(method="ipm")):
        module.solve_lp(one, sparse.csc_matrix(np.ones((1, 1))), one, one, one, options)
    assert seen == [SolverOptions(), SolverOptions(method="ipm")]


def test_what_is_exported_is_the_same_program_in_joules_batches_and_grams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = random_fleet(3, 2, 3)
    worth = linear(np.maximum(fleet.battery_capacity_j, fleet.battery_j), np.array([1e-4, 2e-4]))
    program = build(fleet, DAT, whole_batches=True, stored_value=worth)
    written: list[tuple[Any, Path]] = []
    monkeypatch.setattr(module, "write", lambda plain, path: written.append((plain, path)))
    export(program, tmp_path / "a.lp")
    ((plain, path),) = written
    expected = build(fleet, DAT, whole_batches=True, scaled=False, stored_value=worth)
    assert path == tmp_path / "a.lp"
    assert (plain.fleet, plain.restrictions, plain.whole_batches, plain.stored_value) == (
        fleet,
        DAT,
        True,
        worth,
    )
    for name in ("cost", "values", "column_lower", "column_upper", "row_lower", "row_upper"):
        assert getattr(plain, name).tolist() == getattr(expected, name).tolist()


def test_a_scenario_is_possible_if_it_is_with_every_node_awake(monkeypatch: pytest.MonkeyPatch) -> None:
    """In whole batches: 60 s hold 48 batches of 1.25 s, and 1.25 s are too much for a slot of a second."""
    built: list[tuple[Any, ...]] = []

    def noted(fleet: Fleet, rules: Restrictions, **others: Any) -> Any:
        built.append((fleet, rules, others))
        return build(fleet, rules, **others)

    monkeypatch.setattr(module, "build", noted)
    fleet = sleepers()
    assert find_conflicts(fleet, DAT) is None
    awake = replace(fleet, limits=replace(fleet.limits, may_sleep=False))
    ((asked, rules, others),) = built
    assert (asked.limits, rules, others) == (awake.limits, DAT, {"whole_batches": True})


@pytest.mark.parametrize("method", ["choose", "simplex", "ipm", "pdlp"])
def test_methods_and_gaps_that_are_allowed(method: str) -> None:
    assert SolverOptions(0.0, 1e-3, method).method == method


def test_a_cap_that_is_exceeded_is_told_in_batches() -> None:
    """100 batches, node 0 has time for 60, a tenth may leave: 30 too many, of leaving or of time."""
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]))
    fleet = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.1))
    quick = replace(fleet, seconds_per_batch=np.array([[3.0], [0.5]]))  # time for 20, and 70 too many
    reason = explain_unserved(build(quick, DAT))
    ((name, excess),) = reason.excess.items()
    allowed = {"D5_offload_cap.edge_00.r0d0 [batches]": 70.0, "D7_time.edge_00.t0 [seconds]": 210.0}
    assert excess == pytest.approx(allowed[name])


def test_whole_batches_lack_what_the_last_of_them_lacks() -> None:
    """60 s hold no batch of 63.6 s: 3.6 s are missing, not 63.6. Of 25 s they hold two, and a third lacks 15."""
    fleet = replace(
        two_nodes(backlog_batches=np.array([[1], [3]])), seconds_per_batch=np.array([[63.6], [25.0]])
    )
    told = {"D7_time.edge_00.t0 [seconds]": 3.6, "D7_time.edge_01.t0 [seconds]": 15.0}
    reason = explain_unserved(build(fleet, LOCAL_LP, whole_batches=True))
    assert reason.excess == pytest.approx(told)
    longer = replace(fleet, slot_s=75.0)
    assert find_conflicts(longer, LOCAL_LP) is None
    assert find_conflicts(replace(longer, slot_s=74.9), LOCAL_LP) is not None


def test_storage_for_whole_batches_lacks_what_the_last_of_them_lacks() -> None:
    """Room for 2.5 batches of 1 MB, where ten have to go and node 0 has no time for any of them."""
    fleet = two_nodes(backlog_batches=np.array([[10], [0]]), storage_bytes=np.array([0.0, 2.5e6]))
    fleet = replace(
        fleet,
        limits=replace(fleet.limits, offload_cap_fraction=1.0),
        seconds_per_batch=np.array([[1000.0], [1.0]]),
    )
    reason = explain_unserved(build(fleet, DAT, whole_batches=True))
    allowed = {"D7_storage.edge_01.t0 [bytes]": 7.5e6, "D7_time.edge_00.t0 [seconds]": 7940.0}
    assert reason.excess
    for name, excess in reason.excess.items():
        assert excess <= allowed[name] * (1 + 1e-9)


def test_limits_that_are_exceeded_where_nodes_may_sleep() -> None:
    """Sleep does no work: a node with too much is awake, and the rest is told as of nodes that are always awake."""
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]))
    sleeps = replace(fleet, limits=replace(fleet.limits, may_sleep=True))
    reason = explain_unserved(build(sleeps, LOCAL_LP))
    assert list(reason.excess.values()) == [pytest.approx(40.0)]


def test_a_model_is_written_without_rows_of_its_relaxation(tmp_path: Path) -> None:
    program = build(sleepers(), DETA)
    path = tmp_path / "model.mps"
    module.write(program, path)
    rows = path.read_text().split("ROWS\n")[1].split("COLUMNS\n")[0].splitlines()
    names = program.layout.row_names(program.fleet.node_ids)
    assert [line.split()[1] for line in rows if line.split()[0] != "N"] == list(names)
