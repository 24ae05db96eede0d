"""User modules beside the scenario are found from any working directory, in every process of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carbon_data import own_code
from coordinator.config import CoordinatorConfig
from coordinator.policies.registry import PolicyError, resolve
from experiments.fleet.supervisor import CoordinatorError, Supervisor

ROOT = Path(__file__).parents[2]
CODE = """
from beside_helper import NAME
from carbon_data.sources.constant import ConstantHarvest
from coordinator.policies.local import Local
from edge_node.meters.modelled import ModelledMeter


class Mine(Local):
    name = NAME


class Meter(ModelledMeter):
    name = "beside-meter"


class Sun(ConstantHarvest):
    def __init__(self, peak_w):
        super().__init__(peak_w)
"""
SCENARIO = """name = "beside"
policy = "beside_lab.deta2:Mine"
[stages]
preparation = 1
development = 1
application = 0
recycling = 0
[task]
name = "beside_task:Perceptron"
data = "digits"
batch_size = 16
[fleet]
kind = "inprocess"
meter = "beside_lab.deta2:Meter"
[harvest]
kind = "beside_lab.deta2:Sun"
[[nodes]]
zone = "FR"
count = 2
"""
TASK = """
from edge_node.tasks.mnist_mlp import MnistMlp


class Perceptron(MnistMlp):
    name = "beside-perceptron"
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with a scenario and the modules it names."""
    folder = tmp_path / "lab"
    (folder / "beside_lab").mkdir(parents=True)
    (folder / "beside_lab" / "deta2.py").write_text(CODE)
    (folder / "beside_helper.py").write_text('NAME = "mine"\n')
    (folder / "beside_task.py").write_text(TASK)
    (folder / "json.py").write_text("raise RuntimeError('not the json of the standard library')\n")
    (folder / "beside.toml").write_text(SCENARIO)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def ask(folder: Path, *arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    return done


def test_a_run_from_another_folder_finds_what_lies_beside_its_scenario(lab: Path, elsewhere: Path) -> None:
    done = ask(elsewhere, "run", str(lab / "beside.toml"), "-o", "run", "--no-report", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["policy"] == "beside_lab.deta2:Mine"
    assert found["harvest_j"] > 0
    assert found["executed_batches"] > 0
    log = ask(elsewhere, "ledger", "verify", "run", "--json")
    assert json.loads(log.stdout)["ok"]


def test_a_comparison_and_the_command_line_name_it_too(lab: Path, elsewhere: Path) -> None:
    (lab / "plain.toml").write_text(SCENARIO.replace('policy = "beside_lab.deta2:Mine"', 'policy = "local"'))
    arguments = (
        "--policies",
        "local,beside_lab.deta2:Mine",
        "--seeds",
        "1",
        "-o",
        "both",
        "--no-report",
        "--json",
    )
    done = ask(elsewhere, "compare", str(lab / "plain.toml"), *arguments)
    policies = json.loads(done.stdout)["policies"]
    assert policies["beside_lab.deta2:Mine"]["emissions_g"] == policies["local"]["emissions_g"]


def test_what_is_not_there_is_refused_with_where_was_looked(lab: Path, elsewhere: Path) -> None:
    (lab / "beside.toml").write_text(SCENARIO.replace("deta2:Mine", "deta3:Mine"))
    done = ask(elsewhere, "check", str(lab / "beside.toml"), exit_code=2)
    assert "beside.toml:2: policy" in done.stderr
    assert f"beside the scenario in {lab}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def clean_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(own_code.VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("beside_lab", "beside_lab.deta2", "beside_helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_only_a_name_of_one_s_own_opens_the_folder_and_it_comes_last(
    lab: Path, clean_path: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(own_code.VARIABLE, str(lab))
    resolve("local")
    assert str(lab) not in sys.path
    assert resolve("beside_lab.deta2:Mine").name == "mine"
    assert sys.path[-1] == str(lab)
    own_code.look_beside(None)
    assert own_code.VARIABLE not in os.environ
    with pytest.raises(
        PolicyError, match="looked for in the working directory, on PYTHONPATH, among installed"
    ):
        resolve("beside_nothing:Mine")


def test_a_module_that_lacks_another_says_which(
    lab: Path, clean_path: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(own_code.VARIABLE, str(lab))
    (lab / "beside_helper.py").unlink()
    with pytest.raises(PolicyError, match=r"cannot be loaded: No module named 'beside_helper'"):
        resolve("beside_lab.deta2:Mine")


@pytest.mark.parametrize("known", [True, False])
def test_the_coordinator_s_process_finds_it(
    lab: Path,
    tmp_path: Path,
    clean_path: None,
    monkeypatch: pytest.MonkeyPatch,
    config: CoordinatorConfig,
    known: bool,
) -> None:
    if known:
        own_code.look_beside(lab)
    config = config.model_copy(update={"policy": "beside_lab.deta2:Mine"})
    supervisor = Supervisor(config, tmp_path, restarts=0)
    try:
        if known:
            assert supervisor.start()
        else:
            with pytest.raises(CoordinatorError, match="beside_lab"):
                supervisor.start()
    finally:
        supervisor.stop()
        monkeypatch.delenv(own_code.VARIABLE, raising=False)
