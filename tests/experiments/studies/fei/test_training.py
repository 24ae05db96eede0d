"""Federated training for real, its resumption, and the sweep engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_node.tasks.registry import find_task
from experiments.studies.fei import engine, federated
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.digests import key_of
from experiments.studies.fei.engine import content_key, run_jobs, tell
from experiments.studies.fei.federated import average, rounds_to, train

CELL = TrainCell(
    task="mnist-mlp",
    data="digits",
    partition="iid",
    edges=2,
    partitions=4,
    batch_size=20,
    batches_per_round=10,
    local_epochs=1,
    learning_rate=0.1,
    target_fraction=0.6,
    max_rounds=8,
    test_examples=200,
    recycle=True,
)


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


def test_keys_follow_what_the_result_depends_on() -> None:
    assert key_of(CELL) == key_of(replace(CELL))
    assert key_of(CELL) != key_of(replace(CELL, seed=1))
    assert key_of(CELL) != key_of(replace(CELL, data="digits-inverted"))


@dataclass(frozen=True)
class Square:
    number: int
    log: Path
    weight: float = 1.0

    def key(self) -> str:
        return content_key("square", self.number)

    def compute(self, scratch: Path) -> dict[str, Any]:
        if self.number < 0:
            raise ValueError("negative")
        with self.log.open("a") as stream:
            stream.write(f"{self.number}\n")
        return {"square": self.number**2}


def test_the_engine_computes_each_key_once_and_keeps_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    jobs = [Square(2, log), Square(3, log), Square(2, log)]
    results, computed = run_jobs(jobs, tmp_path / "cache", what="squares", workers=1)
    assert [result["square"] for result in results] == [4, 9, 4]
    assert computed == 2
    again, computed = run_jobs(jobs, tmp_path / "cache", what="squares", workers=1)
    assert [result["square"] for result in again] == [4, 9, 4]
    assert computed == 0
    assert len(log.read_text().split()) == 2


def test_what_was_finished_before_an_error_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(ValueError, match="negative"):
        run_jobs([Square(5, log, weight=2.0), Square(-1, log)], tmp_path / "cache", what="squares", workers=1)
    _, computed = run_jobs([Square(5, log)], tmp_path / "cache", what="squares", workers=1)
    assert computed == 0


@dataclass(frozen=True)
class Half:
    """A job that reports to be half done and reads the bar's figures meanwhile."""

    weight: float = 10.0

    def key(self) -> str:
        return "half"

    def compute(self, scratch: Path) -> dict[str, Any]:
        tell(scratch, "half way", 5.0)
        with engine._bar(None) as progress:
            watch = engine._Watch(progress, "jobs", {scratch.with_suffix(".json"): self.weight})
            fresh = progress.tasks[0].completed
            tell(scratch, "on", 7.0)
            watch.update()
            watch.stop()
            return {
                "fresh": fresh,
                "done": progress.tasks[0].completed,
                "said": progress.tasks[0].fields["detail"],
            }


def test_a_running_job_moves_the_bar_by_what_it_says(tmp_path: Path) -> None:
    results, _ = run_jobs([Half()], tmp_path, what="half", workers=1)
    assert results[0]["fresh"] == 0.0, "what was done before this study began is no speed of this one"
    assert results[0]["done"] == pytest.approx(2.0)
    assert results[0]["said"] == "on"
    assert [path.name for path in tmp_path.iterdir()] == ["half.json"], "nothing is left beside the result"
