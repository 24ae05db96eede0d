"""The search for weights: the same for a seed, and one that lowers its cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.studies.stations import train as training
from experiments.studies.stations.learned import SEEN, Learned
from experiments.studies.stations.train import Days, start, train
from experiments.studies.stations.world import network_of, settings


def test_a_training_is_the_same_for_a_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "DRAWN", 4)
    monkeypatch.setattr(training, "KEPT", 2)
    first, second = (train(1, 5, tmp_path / f"{k}.json", count=1) for k in range(2))
    assert first == second
    assert [point["generation"] for point in first["curve"]] == [0, 1]
    assert first["curve"][1]["cost"] <= first["curve"][0]["cost"] + 0.1
    shipped = Learned.shipped(network_of(settings()), tmp_path / "0.json")
    assert shipped.weights.tolist() == first["weights"]


def test_the_start_lets_cells_with_the_least_traffic_sleep_first() -> None:
    sleep = start()[0]
    row = dict.fromkeys(SEEN, 0.0) | {"one": 1.0}
    scores = [
        sleep @ np.array(list((row | {"traffic, share of what a cell carries": share}).values()))
        for share in (0.1, 0.4, 0.9)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


def test_a_day_costs_less_than_always_on_where_cells_sleep() -> None:
    days = Days(1)
    awake = start()
    awake[0] = 0.0
    which = np.arange(1)
    assert days.cost(awake, which) == pytest.approx(1.0)
    assert days.cost(start(), which) < 0.9
