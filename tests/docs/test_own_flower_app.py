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


def write(folder: Path) -> None:
    files = re.findall(r"```(?:toml|python)\n# file: (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(files) == 4
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def run(folder: Path) -> Path:
    with InProcessFleet() as fleet:
        return execute(resolve(load_scenario(folder / "scenario.toml")), folder / "run", fleet)


def test_the_pages_app_runs(tmp_path: Path) -> None:
    write(tmp_path)
    folder = run(tmp_path)
    rounds = pd.read_parquet(folder / "rounds.parquet")
    assert rounds["test_loss"].tolist() == [0.5, 0.75]
    assert rounds["participants"].tolist() == [3, 3]


def test_the_pages_divisible_app_runs_as_many_batches_as_it_is_told(tmp_path: Path) -> None:
    write(tmp_path)
    page = PAGE.read_text()
    added, train = (
        re.search(rf"```{kind}\n# {what} my-app/\S+\n(.*?)```", page, re.DOTALL)
        for kind, what in (("toml", "added to"), ("python", "in place of train in"))
    )
    assert added is not None
    assert train is not None
    project, client = tmp_path / "my-app" / "pyproject.toml", tmp_path / "my-app" / "my_app" / "client_app.py"
    project.write_text(f"{project.read_text()}\n{added[1]}")
    before, _, after = client.read_text().partition("@app.train()")
    client.write_text(f"{before}{train[1]}\n\n@app.evaluate(){after.partition('@app.evaluate()')[2]}")
    slots = pd.read_parquet(run(tmp_path) / "slots.parquet").dropna(subset=["released_batches"])
    assert slots["executed_batches"].tolist() == [4] * 6
