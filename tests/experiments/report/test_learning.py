"""Rounds and grams to an accuracy: rounds of development alone, in the order of their slots."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from experiments.report import learning
from experiments.report.measures import totals
from experiments.report.read import Study, load


@pytest.fixture
def study(make_run: Callable[..., Path]) -> Study:
    """Recycling reaches 0.99 before and after; development goes 0.3, 0.6, 0.8, 0.7. Target: 0.75."""
    folder = make_run("deta", 0)
    path = folder / "rounds.parquet"
    made = pd.read_parquet(path).iloc[:6].copy()
    made["slot"] = made["round"] = [5, 1, 4, 2, 3, 6]
    made["stage"] = ["development", "recycling", "development", "development", "development", "recycling"]
    made["test_accuracy"] = [0.7, 0.99, 0.8, 0.3, 0.6, 0.99]
    made["cumulative_g"] = [50.0, 10.0, 41.0, 20.0, 30.0, 60.0]
    made.to_parquet(path)
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(metadata | {"target_accuracy_fraction": 0.75}))
    return load(folder)


def test_only_rounds_of_development_lead_to_the_accuracy(study: Study) -> None:
    """The third round of development reaches 0.8, in slot 4, when 41 g were emitted."""
    found = learning.as_json(study, "deta")
    assert found["rounds_to_accuracy"] == [3]
    assert found["grams_to_accuracy_g"] == [41.0]


def test_the_accuracy_of_a_run_is_that_of_its_last_round_of_development(study: Study) -> None:
    assert totals(study.any_run).accuracy == 0.7


def test_without_a_target_of_its_own_a_study_takes_the_best_of_development(study: Study) -> None:
    del study.any_run.metadata["target_accuracy_fraction"]
    assert learning.target_of(study).accuracy_fraction == 0.8
