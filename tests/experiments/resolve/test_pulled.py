"""Pulls with which training cannot stay finite are refused before the start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from experiments.errors import UsageError
from experiments.fleet.inprocess import InProcessFleet
from experiments.resolve.resolve import resolve
from experiments.resolve.resolved import Resolved
from experiments.runs.run import execute
from experiments.scenario.model import parse_scenario
from tests.scenarios import learning_scenario


def resolved(strategy: str, key: str, value: str, more: str = "") -> Resolved:
    keys = f'strategy = "{strategy}"\nlearning_rate = 0.1\n{more}\nstrategy_options = {{ {key} = {value} }}'
    return resolve(parse_scenario(learning_scenario(keys, rounds=2)))


@pytest.mark.parametrize(
    ("strategy", "key", "value"),
    [("ditto", "pull", "1e300"), ("ditto", "pull", "20.1"), ("fedprox", "proximal_mu", "1e300")],
)
def test_a_pull_that_overshoots_is_refused_with_its_line_and_what_is_allowed(
    strategy: str, key: str, value: str
) -> None:
    with pytest.raises(
        UsageError, match=rf"scenario:\d+: task\.strategy_options\.{key}: {key} = "
    ) as refused:
        resolved(strategy, key, value)
    assert "allowed are 0 to 20 here" in str(refused.value)
    assert "Lower" in str(refused.value)


def test_the_strongest_pull_that_is_allowed_learns_finite_models(tmp_path: Path) -> None:
    with InProcessFleet() as fleet:
        folder = execute(resolved("ditto", "pull", "20"), tmp_path / "run", fleet)
    assert all(np.isfinite(array).all() for array in load_file(folder / "model.safetensors").values())


def test_a_lower_learning_rate_bears_a_stronger_pull() -> None:
    with pytest.raises(UsageError):
        resolved("ditto", "pull", "100")
    keys = 'strategy = "ditto"\nlearning_rate = 0.01\nstrategy_options = { pull = 100 }'
    assert resolve(parse_scenario(learning_scenario(keys))).task.personal is not None
