"""Where rows of Table I take their rounds from, and the trainings that ship with the package."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from edge_node.tasks.data import mnist, text
from experiments.studies.fei import estimate, fig4, shipped
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.federated import rounds_to
from experiments.studies.fei.plan import cells, hours, left_to_full, make_plan, other_rates, rows_of
from experiments.studies.fei.ship import for_quick
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


def test_shipped_trainings_are_whole_and_say_where_they_come_from() -> None:
    stored = resources.files("experiments.studies.fei").joinpath(shipped.FILE).read_text(encoding="utf-8")
    assert len(stored) < 500_000
    for result in json.loads(stored):
        assert result["origin"].keys() == {"date", "code", "data", "python", "torch", "probe"}
        rounds = rounds_to(result["development"], result["cell"]["target_fraction"])
        assert result["reached"]
        assert rounds == len(result["development"])
        cell = TrainCell(**result["cell"])
        work = cell.round_examples * result["train_flop_per_example"]
        assert [seen["flop"] for seen in result["development"]] == pytest.approx([work] * rounds)
        assert shipped.find(cell) == result
        assert shipped.find(replace(cell, recycle=False)) is not None
        assert shipped.find(replace(cell, seed=12345)) is None


def test_shipped_trainings_are_rows_of_the_full_study_or_smaller_ones_of_the_quick() -> None:
    at_rates = other_rates(FULL.rates, SIZES).values()
    wanted = {*cells(FULL.trainings, SIZES, fig4.ROWS).values(), *for_quick(SIZES), *at_rates}
    shipped_cells = [TrainCell(**result["cell"]) for result in shipped.trainings()]
    assert set(shipped_cells) <= wanted
    assert set(for_quick(SIZES)) <= set(shipped_cells), "the quick study has all that it leaves to them"


@pytest.mark.skipif(not mnist.is_present(), reason="the four files of MNIST are not in the data folder")
def test_a_shipped_training_is_used_only_while_the_code_takes_its_first_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = next(r for r in shipped.trainings() if r["cell"]["task"] == "mnist-mlp")
    cell = TrainCell(**result["cell"])
    shipped._same_steps.cache_clear()
    assert np.allclose(shipped.probe(cell), result["origin"]["probe"], rtol=shipped.PROBE_TOLERANCE)

    monkeypatch.setattr("experiments.studies.fei.shipped.code_digest", lambda: "other code")
    assert shipped.usable(cell) == result
    assert "take the same first steps" in shipped.origin(result)

    other = {**result, "origin": {**result["origin"], "probe": [p * 1.01 for p in result["origin"]["probe"]]}}
    monkeypatch.setattr(shipped, "trainings", lambda: [other])
    shipped._same_steps.cache_clear()
    assert shipped.usable(cell) is None
    shipped._same_steps.cache_clear()


def test_estimates_grow_with_the_work() -> None:
    one, *_ = cells({k: v for k, v in FULL.trainings.items() if k[0] == "CNN"}, SIZES).values()
    assert estimate.cpu_s(replace(one, local_epochs=100)) > estimate.cpu_s(one) > 0
    assert (hours(30.0), hours(600.0), hours(7200.0)) == ("30 s", "10 min", "2.0 h")
