"""The page on strategies of one's own: its files run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.prepare import open_scenario
from experiments.resolve.resolve import resolve
from experiments.runs.run import execute
from tests.docs.pages import OwnModules, write_files


def test_the_pages_strategy_learns_more_slowly_than_the_mean_it_is_made_of(
    tmp_path: Path, own_modules: OwnModules
) -> None:
    assert write_files("own-strategy.md", tmp_path) == ["scenario.toml", "lab_strategy.py"]
    own_modules("lab_strategy")
    path = tmp_path / "scenario.toml"
    losses = {}
    with InProcessFleet() as fleet:
        for name, step in (("own", 0.5), ("whole", 1.0), ("fedavg", None)):
            text = path.read_text().replace("step = 0.5", f"step = {step}")
            if step is None:
                text = text.replace("lab_strategy:Cautious", "fedavg").replace(
                    "strategy_options = { step = None }\n", ""
                )
            (tmp_path / f"{name}.toml").write_text(text)
            folder = execute(resolve(open_scenario(str(tmp_path / f"{name}.toml"))), tmp_path / name, fleet)
            losses[name] = pd.read_parquet(folder / "rounds.parquet")["test_loss"].tolist()
    assert len(losses["own"]) == 3
    assert losses["whole"] == pytest.approx(losses["fedavg"], rel=1e-4)  # a whole step is the mean itself
    assert losses["own"][-1] > losses["whole"][-1]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("step = 0.5", "step = 5", "step is 5; allowed is 0 < step <= 1"),
        ("step = 0.5", "pace = 0.5", "unexpected keyword argument 'pace'"),
        ("step = 0.5", "fraction_train = 0.5", "the policy allocates who trains"),
        (":Cautious", ":Careful", "'lab_strategy' has no 'Careful'; it has Cautious"),
        ("lab_strategy:Cautious", "cautious", "allowed are fedavg"),
    ],
)
def test_the_obvious_mistakes_are_sentences(
    tmp_path: Path,
    own_modules: OwnModules,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    said: str,
) -> None:
    write_files("own-strategy.md", tmp_path)
    own_modules("lab_strategy")
    path = tmp_path / "scenario.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert invoke(["check", str(path)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "scenario.toml:" in err
    assert "Traceback" not in err
