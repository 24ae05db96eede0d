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
from protos.messages import Register, Telemetry

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "edge_node" / "requirements.txt"
BLOCKED = (
    "ray",
    "pvlib",
    "highspy",
    "matplotlib",
    "pandas",
    "pyarrow",
    "sklearn",
    "scipy",
    "jinja2",
    "simpy",
    "pooch",
)
LIMIT_S = 600

BLOCKER = f"""
import sys
from importlib.abc import MetaPathFinder


class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} on this board", name=name)


sys.meta_path.insert(0, Absent())
"""

SERVE = """
import json
from pathlib import Path

import edge_node.adapters.flower_client
from edge_node.config import NodeConfig
from edge_node.tasks.workload import build_workload, untrained_parameters


def serve(links, stop):
    assert list(links) == ["n0"]
    config = NodeConfig.model_validate_json(Path("node.json").read_text())
    workload = build_workload(config.task, config.inference)
    batches = [workload.batch(k, "development") for k in range(2)]
    trained = workload.train(untrained_parameters(config.task.name, 0), batches, {})
    Path("trained.json").write_text(json.dumps([trained.batches, trained.mean_loss]))
    stop.wait()
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
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    (tmp_path / "board_serve.py").write_text(SERVE)
    node = subprocess.Popen(
        [sys.executable, "-m", "edge_node", "node.json", "--serve", "board_serve:serve"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = small_coordinator.told.wait(LIMIT_S)
        done = _wait_for(tmp_path / "trained.json", node)
    finally:
        node.terminate()
        _, printed = node.communicate(timeout=LIMIT_S)
    assert told, printed
    assert done, printed
    batches, loss = json.loads((tmp_path / "trained.json").read_text())
    assert batches == 2
    assert 0 < loss < 5
    assert {type(message) for message in small_coordinator.heard} >= {Register, Telemetry}


def test_requirements_of_a_board_are_those_of_the_project() -> None:
    """Same names, same versions; and none of what a board should not need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = {_name(line): line for line in project}
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        ours = wanted[_name(line)].replace("[simulation]", "")
        assert line == ours
    assert not {_name(line) for line in lines} & {*BLOCKED, "scikit-learn"}


def _name(requirement: str) -> str:
    return requirement.split("[")[0].split("=")[0].split(">")[0].split("<")[0].strip()


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
