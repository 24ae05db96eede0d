"""A node with nothing but what ``edge_node/requirements.txt`` names: all else is made impossible to import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_node.config import TaskConfig
from protos.messages.slot import Telemetry
from protos.messages.stream import Register
from tests.edge_node.bare_board import ROOT, closure, name_of, requirements, write_bare_board

ABSENT = ("ray", "pvlib", "highspy", "matplotlib", "pandas", "pyarrow", "scikit-learn", "scipy")
LIMIT_S = 600

BOARD = """
import json
from pathlib import Path
from threading import Event

import edge_node.__main__  # all that a daemon imports
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.config import NodeConfig
from edge_node.hosting import BoardNode
from edge_node.tasks.build import build_workload
from edge_node.tasks.workload import untrained_parameters

config = NodeConfig.model_validate_json(Path("node.json").read_text())
node = BoardNode(config, SqliteOutbox(Path("outbox.sqlite")))
workload = build_workload(config.task, config.inference)
batches = [workload.batch(k, "development") for k in range(2)]
trained = workload.train(untrained_parameters(config.task.name, 0), batches, {})
Path("trained.json").write_text(json.dumps([trained.batches, trained.mean_loss]))
Event().wait()
"""


def test_a_node_attends_and_trains_without_the_coordinators_packages(
    make_config: Callable[..., Any], small_coordinator: Any, tmp_path: Path
) -> None:
    task = TaskConfig(
        name="mnist-mlp",
        data="digits",
        batch_size=10,
        batches_per_slot=2,
        learning_rate=0.1,
        partitions=3,
        partition_index=0,
    )
    config = make_config(0, coordinator_address=small_coordinator.address, task=task)
    (tmp_path / "node.json").write_text(config.model_dump_json())
    write_bare_board(tmp_path)
    node = subprocess.Popen(
        [sys.executable, "-c", BOARD],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        done = _wait_for(tmp_path / "trained.json", node)
        told = done and small_coordinator.told.wait(LIMIT_S)
    finally:
        node.terminate()
        _, printed = node.communicate(timeout=LIMIT_S)
    assert done, printed
    assert told, printed
    batches, loss = json.loads((tmp_path / "trained.json").read_text())
    assert batches == 2
    assert 0 < loss < 5
    assert {type(message) for message in small_coordinator.heard} >= {Register, Telemetry}


def test_requirements_of_a_board_are_those_of_the_project() -> None:
    """Same names, same versions; and none of what a board should not need, directly or through others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = {name_of(line): line.replace("[simulation]", "") for line in project}
    for line in requirements():
        assert line == wanted[name_of(line)]
    assert not closure() & set(ABSENT)


def _wait_for(path: Path, process: subprocess.Popen[str]) -> bool:
    for _ in range(LIMIT_S * 10):
        if path.exists() and path.read_text():
            return True
        try:
            process.wait(0.1)
            return False
        except subprocess.TimeoutExpired:
            continue
    return False
