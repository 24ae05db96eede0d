"""Trainings that were run before and come with the package, each with its origin."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from edge_node.tasks.data import mnist
from experiments.studies.fei import shipped
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.federated import rounds_to


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


@pytest.mark.skipif(not mnist.is_present(), reason="the four files of MNIST are not in the data folder")
def test_a_shipped_training_is_used_only_while_the_code_takes_its_first_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = next(r for r in shipped.trainings() if r["cell"]["task"] == "mnist-mlp")
    cell = TrainCell(**result["cell"])
    shipped.same_steps.cache_clear()
    assert np.allclose(shipped.probe(cell), result["origin"]["probe"], rtol=shipped.PROBE_TOLERANCE)

    monkeypatch.setattr("experiments.studies.fei.shipped.code_digest", lambda: "other code")
    assert shipped.usable(cell) == result
    assert "take the same first steps" in shipped.origin(result)

    other = {**result, "origin": {**result["origin"], "probe": [p * 1.01 for p in result["origin"]["probe"]]}}
    monkeypatch.setattr(shipped, "trainings", lambda: [other])
    shipped.same_steps.cache_clear()
    assert shipped.usable(cell) is None
    shipped.same_steps.cache_clear()
