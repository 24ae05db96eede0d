"""Rounds of runs on virtual fleets: strategies of one's own, tasks that raise, slots in which nobody trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from experiments.errors import RunError
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario

CODE = """
from flwr.app import ConfigRecord
from flwr.serverapp.strategy import FedAvg

from edge_node.tasks.mnist_mlp import MnistMlp


class TwoPasses(FedAvg):
    "The second node passes over its batches twice."

    def configure_train(self, server_round, arrays, config, grid):
        for message in super().configure_train(server_round, arrays, config, grid):
            settings = {**config, "local-epochs": 2} if message.metadata.dst_node_id == 3 else dict(config)
            message.content = type(message.content)({"arrays": arrays, "config": ConfigRecord(settings)})
            yield message


class Silent(FedAvg):
    def aggregate_train(self, server_round, replies):
        return None, None


class Broken(MnistMlp):
    name = "broken"

    def sgd_step(self, model, parameters, x, y, learning_rate):
        raise ArithmeticError("no step today")
"""
TEXT = """policy = "local"
[task]
data = "digits"
batch_size = 16
batches_per_slot = 2
local_epochs = 1
[stages]
preparation = 0
development = 2
application = 0
recycling = 0
[fleet]
kind = "virtual"
[[nodes]]
zone = "DE"
count = 2
"""


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "rounds_of_mine.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "rounds_of_mine", raising=False)
    return tmp_path


def with_task(line: str) -> str:
    return TEXT.replace("[task]", f"[task]\n{line}")


def test_passes_that_a_strategy_asks_for_take_their_joules(own_code: Path) -> None:
    resolved = resolve(parse_scenario(with_task('strategy = "rounds_of_mine:TwoPasses"')))
    rows = execute(resolved, own_code / "rows", VirtualFleet())
    with InProcessFleet() as fleet:
        nodes = execute(resolved, own_code / "nodes", fleet)
    for name in ("slots", "lines", "rounds"):
        assert (rows / f"{name}.parquet").read_bytes() == (nodes / f"{name}.parquet").read_bytes()
    demand = (
        pd.read_parquet(rows / "lines.parquet").query("component == 'compute'").groupby("node_id")["energy_j"]
    )
    assert demand.sum()["n1"] == pytest.approx(2 * demand.sum()["n0"])


def test_a_strategy_that_never_makes_a_model_fails_the_run(own_code: Path) -> None:
    resolved = resolve(parse_scenario(with_task('strategy = "rounds_of_mine:Silent"')))
    with pytest.raises(RunError, match=r"made no model of the nodes' answers in any of 2 rounds"):
        execute(resolved, own_code / "run", VirtualFleet())


def test_a_task_that_raises_ends_the_run_with_node_and_place(own_code: Path) -> None:
    text = with_task('name = "rounds_of_mine:Broken"')
    with pytest.raises(RunError, match=r"n0: ArithmeticError: no step today \(at .*rounds_of_mine.py:"):
        execute(resolve(parse_scenario(text)), own_code / "run", VirtualFleet())
    assert (own_code / "run" / "FAILED").exists()


def test_a_slot_in_which_nobody_trains_keeps_the_model(tmp_path: Path) -> None:
    text = TEXT.replace("local", "time-shift", 1).replace("development = 2", "development = 4")
    text = text.replace(
        "[fleet]", "[limits]\ndeadline_slots = 2\n[tolerance]\nunserved_fraction = 1.0\n[fleet]"
    )
    folder = execute(resolve(parse_scenario(text)), tmp_path / "run", VirtualFleet())
    rounds = pd.read_parquet(folder / "rounds.parquet")
    idle = rounds["participants"] == 0
    assert idle.any()
    assert rounds[idle]["train_loss"].isna().all()
    assert (rounds["test_loss"].diff()[idle & (rounds["round"] > 1)] == 0).all()
