"""A finished run of every stage, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli import invoke
from tests.scenarios import SMALL


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live")
    (folder / "small.toml").write_text(SMALL.replace("[stages]", 'policy = "dat"\n[stages]', 1))
    assert invoke(["run", str(folder / "small.toml"), "-o", str(folder / "run"), "--no-report"]) == 0
    return folder / "run"
