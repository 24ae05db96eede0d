"""Runs with differential privacy: epsilon round by round, and beside grams in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from coordinator.accounting.privacy import gaussian_epsilon
from experiments.cli import invoke
from experiments.report import fl_kinds
from experiments.report.read import load

SCENARIO = """name = "private"
policy = "local"
[time]
start = 2022-06-21T12:00:00Z
[stages]
preparation = 0
development = 3
application = 0
recycling = 0
[task]
data = "digits"
batch_size = 16
local_epochs = 1
batches_per_slot = 3
[task.privacy]
kind = "{kind}"
clipping_norm = 0.5
noise_multiplier = 0.02
delta = 1e-4
secure_aggregation = {masked}
[fleet]
kind = "inprocess"
[[nodes]]
zone = "DE"
count = 3
"""


@pytest.mark.parametrize(
    ("kind", "masked", "sensitivity", "of_sensitivity"),
    [("central", "true", 0.5, 0.02), ("local", "false", 1.0, 0.01)],
)
def test_epsilon_is_that_of_the_rounds_so_far(
    tmp_path: Path, kind: str, masked: str, sensitivity: float, of_sensitivity: float
) -> None:
    path, folder = tmp_path / "private.toml", tmp_path / "run"
    path.write_text(SCENARIO.format(kind=kind, masked=masked))
    assert invoke(["run", str(path), "-o", str(folder), "--no-report"]) == 0
    rounds = pd.read_parquet(folder / "rounds.parquet")
    expected = [gaussian_epsilon(of_sensitivity, count, 1e-4) for count in (1, 2, 3)]
    assert rounds["epsilon"].tolist() == pytest.approx(expected)
    told = json.loads((folder / "metadata.json").read_text())["privacy"]
    assert (told["sensitivity"], told["releases"], told["delta"]) == (sensitivity, 3, 1e-4)
    table = fl_kinds.privacy(load(folder))
    assert table is not None
    assert table.frame["epsilon"].tolist() == pytest.approx(expected[-1:])
    assert fl_kinds.personal(load(folder)) is None


def test_without_privacy_there_is_no_epsilon(tmp_path: Path) -> None:
    path, folder = tmp_path / "plain.toml", tmp_path / "run"
    path.write_text(SCENARIO.format(kind="none", masked="false"))
    assert invoke(["run", str(path), "-o", str(folder), "--no-report"]) == 0
    assert pd.read_parquet(folder / "rounds.parquet")["epsilon"].isna().all()
    assert fl_kinds.privacy(load(folder)) is None
