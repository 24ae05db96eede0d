"""Processes that train rows, under Ray for real: one Ray for most of the file, because its start is expensive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ray
from safetensors.numpy import load_file

from edge_node.columns.trainer import TrainingError
from edge_node.columns.work import WorkColumns
from edge_node.config import TaskConfig
from edge_node.tasks.registry import find_task
from experiments.fleet.learners import LearnerLostError, OwnLearner
from experiments.fleet.ray_learners import PRELOAD, RayLearners
from experiments.fleet.ray_local import LocalRay
from experiments.fleet.virtual import VirtualFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario

pytestmark = pytest.mark.processes
NODES = 5
CONFIG = TaskConfig(
    name="mnist-mlp", batch_size=6, batches_per_slot=1, learning_rate=0.1, partitions=NODES, partition_index=0
)
NAMES = tuple(f"n{row}" for row in range(NODES))
ROWS = np.arange(NODES)
WORK = WorkColumns(ROWS, ROWS[::-1].copy(), ROWS * 2, np.array([1, 3, 2, 1, 1]))
START = find_task("mnist-mlp").initial_parameters(0)
TEXT = """policy = "deta"
[task]
data = "digits"
batches_per_slot = 3
local_epochs = 1
[stages]
preparation = 0
development = 3
application = 0
recycling = 0
[time]
start = 2022-06-21T11:00:00Z
[fleet]
kind = "virtual"
processes = 2
[[nodes]]
zone = "DE"
count = 3
[[nodes]]
zone = "SE-SE3"
count = 2
"""
CONFINED = """from experiments.cli import main
from experiments.fleet.ray_local import confined

with confined():  # the cluster of the test listens on loopback only, which Ray replaces by the outward address
    main()
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[RayLearners]:
    with RayLearners(NODES, 2) as learners:
        yield learners
    assert not ray.is_initialized()


@pytest.fixture
def learners(warm: RayLearners) -> RayLearners:
    warm.prepare(CONFIG, NAMES)
    return warm


def test_processes_train_what_one_would(learners: RayLearners) -> None:
    own = OwnLearner()
    own.prepare(CONFIG, NAMES)
    for each in (True, False):
        here, there = (trained.train(START, WORK, {}, each)() for trained in (own, learners))
        assert there.rows.tolist() == here.rows.tolist()
        assert there.num_examples.tolist() == here.num_examples.tolist()
        np.testing.assert_allclose(there.mean_loss, here.mean_loss, atol=1e-6)
        for one, other in zip(there.each, here.each, strict=True):
            np.testing.assert_allclose(one["hidden.weight"], other["hidden.weight"], atol=1e-6)
    assert len(there.averages) == 2
    total = sum(weight for weight, _ in there.averages)
    mean = sum(weight / total * average["output.weight"] for weight, average in there.averages)
    np.testing.assert_allclose(mean, here.averages[0][1]["output.weight"], atol=1e-6)


def test_a_task_that_raises_in_a_process_is_said_with_its_node(learners: RayLearners) -> None:
    with pytest.raises(TrainingError, match=r"n\d: ValueError: unknown training options"):
        learners.train(START, WORK, {"momentum": 0.9}, False)()


def test_whole_runs_have_the_same_books_and_nearly_the_same_model(warm: RayLearners, tmp_path: Path) -> None:
    resolved = resolve(parse_scenario(TEXT))
    fleets = {"one": VirtualFleet(), "two": VirtualFleet(warm)}
    one, two = (execute(resolved, tmp_path / name, fleet) for name, fleet in fleets.items())
    for name in ("slots", "lines", "nodes", "batch_flows", "energy_flows"):
        assert (one / f"{name}.parquet").read_bytes() == (two / f"{name}.parquet").read_bytes()
    losses = [pd.read_parquet(run / "rounds.parquet")["test_loss"] for run in (one, two)]
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-4)
    mine, theirs = (load_file(run / "model.safetensors") for run in (one, two))
    for name, weights in mine.items():
        np.testing.assert_allclose(weights, theirs[name], rtol=0, atol=1e-4)


def test_a_process_that_dies_ends_the_run_and_is_replaced_for_the_next(learners: RayLearners) -> None:
    lost = learners.pids[0]
    os.kill(lost, signal.SIGKILL)
    with pytest.raises(LearnerLostError, match=f"process {lost}, which trained a part of the nodes, died"):
        learners.train(START, WORK, {}, False)()
    learners.prepare(CONFIG, NAMES)
    assert lost not in learners.pids
    assert learners.train(START, WORK, {}, False)().rows.tolist() == ROWS.tolist()


def test_a_cluster_that_runs_already_trains(warm: RayLearners, tmp_path: Path) -> None:
    """In a process of its own that joins it by its address. The cluster is another one: this one's cores are taken."""
    warm.stop()
    scenario = tmp_path / "cluster.toml"
    with LocalRay(2, PRELOAD):
        address = ray.get_runtime_context().gcs_address
        scenario.write_text(TEXT.replace("processes = 2", f'address = "{address}"'))
        command = [sys.executable, "-c", CONFINED, "run", str(scenario), "--output", str(tmp_path / "run")]
        command += ["--no-report", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "DONE").exists()
