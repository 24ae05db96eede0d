"""Runs with differential privacy: epsilon round by round, beside grams in the report, after a kill, and on daemons
under mutual TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file

from coordinator.accounting.privacy import gaussian_epsilon
from experiments.cli import invoke
from experiments.report import fl_kinds
from experiments.report.read import load
from tests.boards.board_hosts import Boards
from tests.boards.loopback import loopback_boards
from tests.e2e.killing import ASKED, BOOKED, KillAt
from tests.scenarios import PATIENT, learning_scenario

DELTA = 1e-4
OF_SENSITIVITY = {"central": 0.02, "local": 0.01}
"""The noise as a multiple of the sensitivity."""


def written(
    folder: Path, kind: str, masked: bool = False, seeded: bool = True, fleet: str = 'kind = "inprocess"'
) -> Path:
    path = folder / f"{kind}-{masked}-{seeded}-{'daemons' in fleet}.toml"
    table = (
        f'[task.privacy]\nkind = "{kind}"\nclipping_norm = 0.5\nnoise_multiplier = 0.02\ndelta = {DELTA}\n'
        f"secure_aggregation = {str(masked).lower()}\nseeded = {str(seeded).lower()}"
    )
    path.write_text(learning_scenario(table, fleet=fleet, tables=PATIENT))
    return path


def run(path: Path, folder: Path) -> Path:
    assert invoke(["run", str(path), "-o", str(folder), "--no-report"]) == 0
    return folder


def epsilons(kind: str, *releases: int) -> list[float]:
    return [gaussian_epsilon(OF_SENSITIVITY[kind], count, DELTA) for count in releases]


def rounds(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "rounds.parquet")


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metadata.json").read_text())
    return found


@pytest.mark.parametrize(("kind", "masked", "sensitivity"), [("central", True, 0.5), ("local", False, 1.0)])
def test_epsilon_is_that_of_the_rounds_so_far(
    tmp_path: Path, kind: str, masked: bool, sensitivity: float
) -> None:
    folder = run(written(tmp_path, kind, masked), tmp_path / "run")
    expected = epsilons(kind, 1, 2, 3)
    assert rounds(folder)["epsilon"].tolist() == pytest.approx(expected)
    privacy = told(folder)["privacy"]
    assert (privacy["sensitivity"], privacy["releases"], privacy["delta"]) == (sensitivity, 3, DELTA)
    table = fl_kinds.privacy(load(folder))
    assert table is not None
    assert table.frame["epsilon"].tolist() == pytest.approx(expected[-1:])
    assert fl_kinds.personal(load(folder)) is None


def test_without_privacy_there_is_no_epsilon(tmp_path: Path) -> None:
    folder = run(written(tmp_path, "none"), tmp_path / "run")
    assert rounds(folder)["epsilon"].isna().all()
    assert fl_kinds.privacy(load(folder)) is None


@pytest.mark.parametrize("kind", ["central", "local"])
def test_killed_between_rounds_epsilon_goes_on_and_noise_is_that_of_the_round(
    kill_at: KillAt, tmp_path: Path, kind: str
) -> None:
    """Noise that began anew would be that of the first round once more: the model would be another."""
    path, folder = written(tmp_path, kind), tmp_path / "killed"
    whole = run(path, tmp_path / "whole")
    kill_at(BOOKED, 2, "after", "run", str(path), "-o", str(folder), "--no-report")
    assert invoke(["resume", str(folder), "--no-report"]) == 0
    assert rounds(folder)["epsilon"].tolist() == pytest.approx(epsilons(kind, 1, 2, 3))
    assert told(folder)["privacy"] == told(whole)["privacy"]
    for name in ("rounds.parquet", "model.safetensors"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    ("kind", "seeded", "releases"),
    [("central", True, (1, 1, 2)), ("local", True, (1, 2, 3)), ("local", False, (1, 2, 3))],
)
def test_killed_amid_a_round_what_nodes_were_asked_for_counts(
    kill_at: KillAt, tmp_path: Path, kind: str, seeded: bool, releases: tuple[int, ...]
) -> None:
    """The second of the second round's three messages is not delivered. Updates may have left the nodes; a model of
    them left nobody."""
    path, folder = written(tmp_path, kind, seeded=seeded), tmp_path / "killed"
    kill_at(ASKED, 5, "before", "run", str(path), "-o", str(folder), "--no-report")
    assert invoke(["resume", str(folder), "--no-report"]) == 0
    assert invoke(["ledger", "verify", str(folder)]) == 0
    found = rounds(folder)
    assert found["participants"].tolist() == [3, 0, 3]
    assert found["epsilon"].tolist() == pytest.approx(epsilons(kind, *releases))
    assert told(folder)["privacy"]["releases"] == releases[-1]


@pytest.mark.parametrize("seeded", [True, False])
def test_a_comparison_repeats_a_run_only_where_its_noise_can_be_drawn_again(
    kill_at: KillAt, tmp_path: Path, seeded: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed amid the second round: with a seed the same updates leave again; without one they would be others."""
    path, folder = written(tmp_path, "local", seeded=seeded), tmp_path / "both"
    compared = ("compare", str(path), "--policies", "local", "--seeds", "1", "-o", str(folder), "--no-report")
    kill_at(ASKED, 5, "before", *compared)
    assert invoke(["compare", "--resume", str(folder), "--no-report", "--json"]) == 0
    assert bool(json.loads(capsys.readouterr().out)["resumptions"]) is not seeded
    found = rounds(folder / "local-s0")
    assert found["participants"].tolist() == [3, 3 if seeded else 0, 3]
    assert found["epsilon"].tolist() == pytest.approx(epsilons("local", 1, 2, 3))


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Boards, str]]:
    with loopback_boards(tmp_path_factory.mktemp("daemons"), 3) as found:
        yield found


@pytest.mark.processes
@pytest.mark.parametrize(
    ("kind", "masked"), [("central", False), ("local", False), ("none", True), ("local", True)]
)
def test_on_daemons_updates_are_protected_as_in_one_process(
    daemons: tuple[Boards, str], tmp_path: Path, kind: str, masked: bool
) -> None:
    """Three processes under mutual TLS: the same noise, and masks that cancel to the last bit."""
    boards, fleet = daemons
    here = run(written(tmp_path, kind, masked), tmp_path / "here")
    there = run(written(boards.folder, kind, masked, fleet=fleet), tmp_path / "there")
    assert "mutual TLS" in told(there)["transport_security"]
    assert told(there)["failures"] == []
    assert rounds(there)["participants"].tolist() == [3, 3, 3]
    pd.testing.assert_frame_equal(rounds(there), rounds(here))
    assert told(there)["privacy"] == told(here)["privacy"]
    models = [load_file(folder / "model.safetensors") for folder in (there, here)]
    for name, array in models[0].items():
        assert (array == models[1][name]).all(), name
    columns = ["slot", "node_id", "model_bytes", "executed_batches"]
    slots = [pd.read_parquet(folder / "slots.parquet")[columns] for folder in (there, here)]
    pd.testing.assert_frame_equal(*slots)
    assert invoke(["ledger", "verify", str(there)]) == 0


@pytest.mark.processes
def test_on_daemons_a_run_that_was_killed_goes_on_with_its_epsilon(
    kill_at: KillAt, daemons: tuple[Boards, str], tmp_path: Path
) -> None:
    """The daemons outlive the runner, and are asked by another one."""
    boards, fleet = daemons
    whole = run(written(tmp_path, "local"), tmp_path / "whole")
    path, folder = written(boards.folder, "local", fleet=fleet), tmp_path / "killed"
    kill_at(BOOKED, 2, "after", "run", str(path), "-o", str(folder), "--no-report")
    assert invoke(["resume", str(folder), "--no-report"]) == 0
    assert told(folder)["privacy"] == told(whole)["privacy"]
    pd.testing.assert_frame_equal(rounds(folder), rounds(whole))
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
