"""One small comparison of real runs (three nodes, this process), shared by the tests that read run folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import CoordinatorConfig
from tests.once import once
from tests.scenarios import SMALL, one_node_config


@pytest.fixture
def config(tmp_path: Path) -> CoordinatorConfig:
    return one_node_config(tmp_path)


@pytest.fixture(scope="session")
def small_scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def small_comparison() -> Path:
    """LOCAL and DETA over two seeds; the runs are in ``local-s0`` to ``deta-s1``. Not to be written to."""
    return once("small-comparison", compare_small) / "compare"


def compare_small(folder: Path) -> None:
    from experiments.cli import invoke

    (folder / "small.toml").write_text(SMALL)
    arguments = ["compare", str(folder / "small.toml"), "--policies", "local,deta", "--seeds", "2"]
    assert invoke([*arguments, "--output", str(folder / "compare"), "--no-report"]) == 0
