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


@pytest.fixture(scope="module")
def kill_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillAt]:
    with kills(tmp_path_factory.mktemp("kills") / "said") as found:
        yield found
