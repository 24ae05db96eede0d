"""Scenarios of runs that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.runs.failing import CODE, SCENARIO


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "failed.toml"
    path.write_text(SCENARIO)
    (tmp_path / "failing_lab.py").write_text(CODE)
    return path
