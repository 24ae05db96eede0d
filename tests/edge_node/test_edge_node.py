"""A node with nothing but what ``edge_node/requirements.txt`` names: all else is made impossible to import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from edge_node.config import TaskConfig
from protos.messages.slot import Telemetry
from protos.messages.stream import Register

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "edge_node" / "requirements.txt"
ABSENT = ("ray", "pvlib", "highspy", "matplotlib", "pandas", "pyarrow", "scikit-learn", "scipy")
OURS = ("carbon_data", "protos", "edge_node", "coordinator", "experiments", "detabed", "tests", "benchmarks")
LIMIT_S = 600

BLOCKER = """
import sys
from importlib.abc import MetaPathFinder


class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} on this board", name=name)


sys.meta_path.insert(0, Absent())
"""

BOARD = """
import json
from pathlib import Path
from threading import Event

import edge_node.__main__  # all that a daemon imports
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.config import NodeConfig
from edge_node.hosting import BoardNode
from edge_node.tasks.workload import build_workload, untrained_parameters

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
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(blocked=_modules_beyond_the_requirements()))
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
    wanted = {_name(line): line.replace("[simulation]", "") for line in project}
    for line in _requirements():
        assert line == wanted[_name(line)]
    assert not _closure() & set(ABSENT)


def _requirements() -> list[str]:
    return [line for line in REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]


def _closure() -> set[str]:
    """Distributions that the requirements bring, without extras."""
    found: set[str] = set()
    waiting = [_name(line) for line in _requirements()]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            further = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        waiting += [_name(line) for line in further if "extra ==" not in line]
    return found


def _modules_beyond_the_requirements() -> tuple[str, ...]:
    """Top-level modules of this environment that a board would not have."""
    allowed = _closure()
    return tuple(
        sorted(
            module
            for module, names in metadata.packages_distributions().items()
            if not {_name(name) for name in names} & allowed and module not in OURS
        )
    )


def _name(requirement: str) -> str:
    """Normalised name of a distribution at the beginning of a requirement."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


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
