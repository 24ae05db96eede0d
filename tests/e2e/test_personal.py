"""Runs in which nodes have models of their own: bytes that stay at home are not booked, accuracy by node,
resumption."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from tests.e2e.killing import BOOKED, KillAt
from tests.scenarios import learning_scenario


def written(
    folder: Path, strategy: str, task: str = "mnist-mlp", fleet: str = "inprocess", more: str = ""
) -> Path:
    path = folder / f"{strategy}.toml"
    keys = f'name = "{task}"\npartition = "dirichlet"\nstrategy = "{strategy}"\n{more}'
    path.write_text(learning_scenario(keys, batches=4, application=1, fleet=f'kind = "{fleet}"'))
    return path


def run(folder: Path, strategy: str, **changes: str) -> Path:
    made = folder / f"run-{strategy}-{changes.get('more', '') != ''}"
    path = written(folder, strategy, **changes)
    assert invoke(["run", str(path), "-o", str(made), "--no-report"]) == 0
    assert invoke(["ledger", "verify", str(made)]) == 0
    return made


def model_bytes(folder: Path) -> int:
    slots = pd.read_parquet(folder / "slots.parquet")
    return int(slots.loc[slots["stage"] == "development", "model_bytes"].sum())


def test_the_heads_of_fedper_are_not_sent_and_each_node_is_measured(tmp_path: Path) -> None:
    whole, part = run(tmp_path, "fedavg", more="measure_personal = true"), run(tmp_path, "fedper")
    assert model_bytes(whole) - model_bytes(part) == 3 * 3 * 2 * 4 * 2010
    for folder in (whole, part):
        rounds = pd.read_parquet(folder / "rounds.parquet")
        told = json.loads((folder / "metadata.json").read_text())["personal_accuracy"]
        assert len(told) == 3
        assert rounds["personal_accuracy"].iloc[-1] == pytest.approx(sum(told.values()) / 3)
        assert rounds["personal_accuracy"].between(0, 1).all()


def test_fedbn_needs_layers_that_can_stay_at_home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["check", str(written(tmp_path, "fedbn"))]) == 2
    assert "has no layer of batch normalisation" in capsys.readouterr().err
    folder = run(tmp_path, "fedbn", task="mnist-mlp-bn")
    # 159,010 weights travel, both ways, in three rounds, for three nodes.
    assert model_bytes(folder) == 3 * 3 * 2 * 4 * 159_010


@pytest.mark.parametrize(
    ("strategy", "fleet", "more", "sentence"),
    [
        ("ditto", "virtual", "", "nodes are rows of arrays"),
        ("fedper", "inprocess", 'strategy_options = { layers = "*" }', "nothing would be learned together"),
        ("ditto", "inprocess", "strategy_options = { pull = -1 }", "allowed is pull >= 0"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], strategy: str, fleet: str, more: str, sentence: str
) -> None:
    path = written(tmp_path, strategy, fleet=fleet, more=more)
    if fleet == "virtual":  # its nodes train, and do nothing else
        path.write_text(path.read_text().replace("application = 1", "application = 0"))
    assert invoke(["check", str(path)]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("strategy", ["ditto", "fedper"])
def test_what_stays_at_home_survives_a_kill(kill_at: KillAt, tmp_path: Path, strategy: str) -> None:
    whole, folder = run(tmp_path, strategy), tmp_path / "killed"
    path = tmp_path / f"{strategy}.toml"
    kill_at(BOOKED, 2, "after", "run", str(path), "-o", str(folder), "--no-report")
    assert invoke(["resume", str(folder), "--no-report"]) == 0
    for name in ("rounds.parquet", "lines.parquet", "serving.parquet", "model.safetensors"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(("strategy", "task"), [("fedper", "mnist-mlp"), ("fedbn", "mnist-mlp-bn")])
def test_a_report_is_written_though_the_folder_has_no_whole_model(
    strategy: str, task: str, tmp_path: Path
) -> None:
    made = tmp_path / "run"
    assert invoke(["run", str(written(tmp_path, strategy, task=task)), "-o", str(made)]) == 0
    assert "stayed at the nodes" in (made / "report.html").read_text()
