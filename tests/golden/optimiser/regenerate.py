"""Writes the golden file of optimal objective values: python tests/golden/optimiser/regenerate.py

Ten fixed instances, stored with all their data, so that a change of the generator changes nothing here. A value is
written only where two independent solvers agree on it to 1e-7: HiGHS (simplex, on the pairwise form) and Clarabel
(a conic interior point, on the hub form).
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from coordinator.market.fleet import Fleet, Limits
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.program import build
from coordinator.market.solve import SolverOptions, solve
from coordinator.market.wide import hub, hub_lp

GOLDEN = Path(__file__).with_name("optima.json")
WHOLE = {"backlog_batches", "release_batches", "offload_room_batches", "participations", "num_examples"}


def instances() -> dict[str, Fleet]:
    """Named fleets: the reference day, and random ones with and without work that may wait."""
    chosen = {"reference-day-24": reference_day(24), "reference-day-6x4": reference_day(6, nodes=4)}
    for seed, deadline in ((4, 0), (7, 1), (28, 1), (55, 1), (61, 1), (101, 0), (170, 2), (226, 1)):
        chosen[f"random-{seed}-q{deadline}"] = random_fleet(seed, 5, 6, deadline_slots=deadline)
    return chosen


def to_json(fleet: Fleet) -> dict[str, Any]:
    """A fleet as plain lists."""
    record: dict[str, Any] = {}
    for spec in fields(fleet):
        value = getattr(fleet, spec.name)
        if spec.name == "limits":
            record[spec.name] = asdict(value)
        elif isinstance(value, np.ndarray):
            record[spec.name] = [None if v != v else v for v in value.ravel().tolist()], list(value.shape)
        elif value is not None:
            record[spec.name] = value
    return record


def from_json(record: dict[str, Any]) -> Fleet:
    """The fleet of ``to_json``."""
    values: dict[str, Any] = {}
    for name, value in record.items():
        if name == "limits":
            values[name] = Limits(**value)
        elif name == "node_ids":
            values[name] = tuple(value)
        elif isinstance(value, list):
            flat, shape = value
            kind = (
                np.bool_ if name in ("asleep", "offloadable") else np.int64 if name in WHOLE else np.float64
            )
            values[name] = np.array([np.nan if v is None else v for v in flat], dtype=kind).reshape(shape)
        else:
            values[name] = value
    return Fleet(**values)


def highs_g(fleet: Fleet) -> float:
    """Optimum of the pairwise form by HiGHS's simplex, g CO2e."""
    program = build(fleet, hub.DETA, tie_break=False)
    found = solve(program, SolverOptions(method="simplex"))
    assert found.optimal
    assert found.objective is not None
    return found.objective * program.grams_per_unit


def clarabel_g(fleet: Fleet) -> float:
    """Optimum of the hub form by Clarabel, g CO2e."""
    import clarabel
    from scipy import sparse

    lp, _, units = hub_lp.build(hub.from_fleet(fleet))
    equal = lp.row_lower == lp.row_upper
    some = np.isfinite(lp.column_upper)
    matrix, count = sparse.csr_matrix(lp.matrix), len(lp.cost)
    one = sparse.identity(count, format="csr")
    stacked = sparse.vstack([matrix[equal], matrix[~equal], one[some], -one], format="csc")
    right = np.concatenate(
        [lp.row_upper[equal], lp.row_upper[~equal], lp.column_upper[some], np.zeros(count)]
    )
    cones = [clarabel.ZeroConeT(int(equal.sum())), clarabel.NonnegativeConeT(len(right) - int(equal.sum()))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    found = clarabel.DefaultSolver(
        sparse.csc_matrix((count, count)), lp.cost, stacked, right, cones, settings
    ).solve()
    assert "Solved" in str(found.status), found.status
    return float(found.obj_val * units.grams)


def main() -> None:
    record = {}
    for name, fleet in instances().items():
        first, second = highs_g(fleet), clarabel_g(fleet)
        assert abs(first - second) <= 1e-7 * abs(first), (name, first, second)
        record[name] = {"objective_g": first, "fleet": to_json(fleet)}
    GOLDEN.write_text(json.dumps(record, indent=None, separators=(",", ":")).replace('},"r', '},\n"r') + "\n")


if __name__ == "__main__":
    main()
