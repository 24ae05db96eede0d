"""The one file that names the solver: programs to HiGHS and back, the result as a value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.program import build
from coordinator.market.solve import (
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
