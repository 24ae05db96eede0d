"""The page on apps of one's own: its files run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from experiments.scenario.model import load_scenario

PAGE = Path(__file__).parents[2] / "docs" / "own-flower-app.md"


def test_the_pages_app_runs(tmp_path: Path) -> None:
    files = re.findall(r"```(?:toml|python)\n# file: (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(files) == 4
    for name, content in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with InProcessFleet() as fleet:
        folder = execute(resolve(load_scenario(tmp_path / "scenario.toml")), tmp_path / "run", fleet)
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert rounds["test_loss"].tolist() == [0.5, 0.75]
    assert rounds["participants"].tolist() == [3, 3]
