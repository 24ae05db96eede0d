"""The working directory's files and the shell's proxy change nothing in any process of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carbon_data.ours import NAMES
from coordinator.adapters.control_client import ControlClient
from coordinator.config import CoordinatorConfig
from experiments.fleet.supervisor import Supervisor
from tests.scenarios import PATIENT, TWO_ROUNDS

ROOT = Path(__file__).parents[2]
SCENARIO = (
    """name = "foreign"
policy = "surroundings_policy:Mine"
"""
    + TWO_ROUNDS
    + """local_epochs = 1
batches_per_slot = 4
[inference]
batches_per_slot = 1
requests_per_batch = 8
[network]
net_j_per_byte = 1e-7
[harvest]
kind = "none"
[battery]
capacity_wh = 0
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "PL"
"""
)
POLICY = """
from coordinator.policies.dat import Dat


class Mine(Dat):
    name = "mine"
"""
NOWHERE = "http://127.0.0.1:9"
PROXIES = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "grpc_proxy"), NOWHERE)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A working directory with folders named like our packages, and files named like modules that we need."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the user folder {name}')\n")
    (tmp_path / "queue.py").write_text("raise RuntimeError('the user file')\n")
    (tmp_path / "surroundings_policy.py").write_text(POLICY)
    (tmp_path / "foreign.toml").write_text(SCENARIO)
    return tmp_path


def run(folder: Path, *command: str, **more: str) -> dict[str, Any]:
    done = subprocess.run(
        [*command, "run", "foreign.toml", "-o", "run", "--no-report", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["policy"] == "surroundings_policy:Mine"
    assert json.loads((folder / "run" / "metadata.json").read_text())["failures"] == []
    return found


def script() -> str:
    path = Path(sys.executable).parent / "detabed"
    if not path.exists():
        pytest.skip(f"no console script at {path}: the project is not installed")
    return str(path)


def in_process(lab: Path) -> None:
    (lab / "foreign.toml").write_text(SCENARIO + '[fleet]\nkind = "inprocess"\n')


def test_the_console_script_runs_ours(lab: Path) -> None:
    in_process(lab)
    run(lab, script())


def test_python_m_runs_ours(lab: Path) -> None:
    """Python itself finds the package named after -m: a folder of that name without ``__init__.py`` gives way."""
    in_process(lab)
    (lab / "experiments" / "__init__.py").unlink()
    (lab / "queue.py").unlink()  # python -m puts the working directory before Python's own modules
    run(lab, sys.executable, "-m", "experiments.cli")


@pytest.mark.processes
def test_workers_and_coordinator_are_ours_and_reach_each_other_past_a_proxy(lab: Path) -> None:
    (lab / "foreign.toml").write_text(SCENARIO + PATIENT + "[fleet]\nprocesses = 2\n")
    found = run(lab, script(), **PROXIES)
    assert found["moved_batches"] > 0  # from process to process


def test_the_coordinator_s_process_is_ours_and_is_reached_past_a_proxy(
    lab: Path, config: CoordinatorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab)
    for name, proxy in PROXIES.items():
        monkeypatch.setenv(name, proxy)
    config = config.model_copy(update={"policy": "surroundings_policy:Mine", "run_id": "foreign"})
    with (
        Supervisor(config, lab, restarts=0) as supervisor,
        ControlClient(lambda: supervisor.address, patience_s=120.0) as control,
    ):
        assert control.status().run_id == config.run_id


def test_documentation_names_no_command_that_a_folder_of_the_user_s_could_replace() -> None:
    """`python -m NAME` looks into the working directory first, `detabed` and `python -P -m NAME` do not."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    users = ("experiments.cli", "edge_node", "coordinator")
    found = [page.name for page in pages for name in users if f"python -m {name}" in page.read_text()]
    assert found == []
