"""Federated training that can be stopped anywhere: FedAvg over real shares, its state kept as it goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_node.tasks.registry import find_task
from experiments.studies.fei import federated
from experiments.studies.fei.federated import average, rounds_to, train
from tests.experiments.studies.fei.trainings import CELL


def test_training_learns_to_its_target_and_transfers(tmp_path: Path) -> None:
    result = train(CELL, tmp_path / "scratch")
    assert result["reached"]
    assert result["development"][-1]["accuracy"] >= 0.6
    assert all(seen["accuracy"] < 0.6 for seen in result["development"][:-1])
    assert result["recycling"], "the trained model was transferred"
    per_round = 2 * 10 * 20 * result["train_flop_per_example"]
    assert {seen["flop"] for seen in result["development"]} == {per_round}
    assert result["parameters"] == 159_010


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = train(CELL, tmp_path / "whole")
    scratch = tmp_path / "cut"
    train(replace(CELL, max_rounds=1, recycle=False), scratch)
    assert scratch.exists()
    resumed = train(CELL, scratch)
    assert resumed["development"] == whole["development"]
    assert resumed["recycling"] == whole["recycling"]


@pytest.mark.parametrize("after", [1, 3, 4, 7, 11])
def test_a_training_killed_within_a_round_goes_on_to_the_same_result(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federated, "KEEP_EVERY_S", 0.0)
    monkeypatch.setattr(
        federated, "CHUNK_FLOP", 3.5 * CELL.batch_size * 639_200.0
    )  # three batches of the MLP
    whole = train(CELL, tmp_path / "whole")
    heard: list[str] = []

    def kill(text: str, examples: float) -> None:
        heard.append(text)
        if len(heard) == after:
            raise KeyboardInterrupt

    cut = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        train(CELL, cut, kill)
    assert len(heard) == after
    assert train(CELL, cut) == whole


def test_epochs_and_chunks_are_what_one_call_gives(tmp_path: Path) -> None:
    """A server's epochs, cut into chunks, end in the weights of the workload's own loop over epochs."""
    cell = replace(CELL, edges=1, local_epochs=3, max_rounds=1, target_fraction=1.0, recycle=False)
    state = tmp_path / "state"
    train(cell, state)
    server = federated.share_of(cell, cell.data, 0)
    batches = [server.batch(k, "development") for k in range(cell.batches_per_round)]
    start = find_task(cell.task).initial_parameters(cell.seed)
    expected = server.train(start, batches, {"local-epochs": 3.0}).parameters
    with np.load(state) as kept:
        for name, array in expected.items():
            np.testing.assert_array_equal(kept[f"global:{name}"], array)


def test_average_weights_by_examples() -> None:
    one, three = {"w": np.float32([0.0])}, {"w": np.float32([4.0])}
    assert average([(one, 1), (three, 3)])["w"] == pytest.approx([3.0])


def test_rounds_to_a_target() -> None:
    seen = [{"accuracy": value} for value in (0.2, 0.5, 0.4, 0.8)]
    assert rounds_to(seen, 0.5) == 2
    assert rounds_to(seen, 0.9) is None
