"""Exported programs in other solvers: GLPK and CBC find the optimum that HiGHS finds.

The two are Debian packages (glpk-utils, coinor-cbc); where one is missing its tests are skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.program import build
from coordinator.market.solve import SolverOptions, export, solve

RESTRICTIONS = {
    "DETA": Restrictions(transfers=True, offloading=True, harvest=True),
    "DET": Restrictions(transfers=True, offloading=False, harvest=True),
    "DAT": Restrictions(transfers=False, offloading=True, harvest=True),
    "GRID": Restrictions(transfers=False, offloading=False, harvest=False),
}


def said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of_glpk(path: Path) -> float:
    solution = path.with_suffix(".sol")
    form = "--freemps" if path.suffix == ".mps" else "--lp"
    said(["glpsol", form, str(path), "--mipgap", "1e-9", "-o", str(solution)])
    text = solution.read_text()
    status = re.search(r"^Status: +(.*)$", text, re.MULTILINE)
    assert status is not None
    assert status[1] in ("OPTIMAL", "INTEGER OPTIMAL")
    found = re.search(r"^Objective: +\S+ = (\S+)", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def of_cbc(path: Path) -> float:
    solution = path.with_suffix(".txt")
    exact = ["ratioGap", "1e-9", "increment", "1e-12", "primalT", "1e-9", "dualT", "1e-11"]
    said(["cbc", str(path), *exact, "solve", "solu", str(solution)])
    found = re.match(r"Optimal - objective value (\S+)", solution.read_text())
    assert found is not None
    return float(found[1])


SOLVERS: dict[str, Callable[[Path], float]] = {"glpsol": of_glpk, "cbc": of_cbc}


@pytest.mark.parametrize("ending", [".lp", ".mps"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("policy", RESTRICTIONS)
def test_other_solvers_find_the_same_optimum(tmp_path: Path, policy: str, solver: str, ending: str) -> None:
    if shutil.which(solver) is None:
        pytest.skip(f"{solver} is not installed")
    for seed in range(12):
        may_sleep = policy != "GRID" and seed % 3 == 2
        fleet = random_fleet(seed, deadline_slots=seed % 2, may_sleep=may_sleep)
        program = build(fleet, RESTRICTIONS[policy])
        ours = solve(program, SolverOptions(mip_gap_fraction=1e-9))
        assert ours.objective is not None
        path = tmp_path / f"seed-{seed}{ending}"
        export(program, path)
        theirs = SOLVERS[solver](path)
        assert theirs == pytest.approx(ours.objective * program.grams_per_unit, rel=1e-6, abs=1e-7), seed


def test_a_row_without_terms_and_whole_columns_are_read(tmp_path: Path) -> None:
    """GLPK refused such a row, and CBC took the word ``bin`` for a column and left the whole numbers out."""
    fleet = random_fleet(11, deadline_slots=1, may_sleep=True)
    path = tmp_path / "model.lp"
    export(build(fleet, RESTRICTIONS["DET"]), path)
    text = path.read_text()
    assert re.search(r"^ D6_transfer_cap\.edge_00\.t0: \+0 \S+ <= ", text, re.MULTILINE)
    assert "\nbinary\n a.edge_00.t0\n" in text
    assert not {"bin", "gen", "general", "semi", "semi-continuous"} & set(text.splitlines())
