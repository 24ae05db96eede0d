"""Fixtures of whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.config import CoordinatorConfig
from tests.scenarios import SMALL, one_node_config


@pytest.fixture
def config(tmp_path: Path) -> CoordinatorConfig:
    return one_node_config(tmp_path)


@pytest.fixture
def small_scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path
