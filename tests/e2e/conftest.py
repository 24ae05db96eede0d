"""Fixtures of whole runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.config import CoordinatorConfig
from tests.e2e.killing import KillAt, kills
from tests.scenarios import SMALL, one_node_config


@pytest.fixture
def config(tmp_path: Path) -> CoordinatorConfig:
    return one_node_config(tmp_path)


@pytest.fixture
def small_scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(autouse=True, scope="module")
def _nodes_have_time() -> Iterator[None]:
    """A slot goes on without a node that does not report within 10 s though its lease holds: on a busy machine it may
    take longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.runs.run.CONTROL_WAIT_S", 60.0)
        yield


@pytest.fixture(scope="module")
def kill_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillAt]:
    with kills(tmp_path_factory.mktemp("kills") / "said") as found:
        yield found
