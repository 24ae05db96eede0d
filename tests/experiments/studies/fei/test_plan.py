"""Where rows of Table I take their rounds from, and the trainings that ship with the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_node.tasks.data import mnist, text
from experiments.studies.fei import fig4
from experiments.studies.fei.plan import left_to_full, make_plan, rows_of
from experiments.studies.fei.spec import FULL, QUICK, SERVERS

SIZES = {"MLP": ("mnist", 60_000), "CNN": ("mnist", 60_000), "LSTM": ("shakespeare", 12_542)}
IMAGES = {name: SIZES[name] for name in ("MLP", "CNN")}


def test_the_full_study_has_all_rows() -> None:
    assert len(set(rows_of(FULL.trainings))) == 3 * 2 * 2 * len(SERVERS)


@pytest.mark.skipif(not mnist.is_present(), reason="the four files of MNIST are not in the data folder")
def test_every_row_is_trained_shipped_scaled_or_absent_with_its_cost(tmp_path: Path) -> None:
    for effort in (QUICK, replace(QUICK, uses_shipped=False)):
        plan = make_plan(effort, IMAGES, tmp_path, recycled=fig4.ROWS)
        whole = [*plan.trained, *plan.shipped, *plan.absent]
        assert len(whole) == len(set(whole)), "a row has one origin"
        assert len({*whole, *plan.scaled, *plan.shipped_scaled}) == 2 * 2 * 2 * len(SERVERS), (
            "and every row has one"
        )
        assert not plan.absent.keys() & plan.scaled.keys()
        assert all("left to --full: about" in left_to_full(cell) for cell in plan.absent.values())
        assert (plan.absent_cpu_s() > 0) == bool(plan.absent)
        assert effort.uses_shipped or not (plan.shipped or plan.shipped_scaled)


@pytest.mark.skipif(
    text.resolve("auto") != "shakespeare" or not mnist.is_present(),
    reason="tinyshakespeare or MNIST is not in the data folder",
)
def test_no_row_is_missing_from_the_quick_study(tmp_path: Path) -> None:
    plan = make_plan(QUICK, SIZES, tmp_path, recycled=fig4.ROWS)
    assert not plan.absent
    assert {row.model for row in plan.scaled} == set(SIZES), "something of every model is trained for real"
