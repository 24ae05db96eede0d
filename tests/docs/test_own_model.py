"""The page on models of one's own: its files run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from experiments.cli import invoke

PAGE = Path(__file__).parents[2] / "docs" / "own-model.md"


def test_the_pages_model_is_checked_and_runs(tmp_path: Path) -> None:
    files = dict(re.findall(r"```(?:toml|python)\n# file: (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL))
    assert list(files) == ["mytask.py", "scenario.toml", "run.py"]
    assert sum(bool(line.strip()) for line in files["mytask.py"].splitlines()) <= 15
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    checked = [sys.executable, "-m", "experiments.cli", "check", "scenario.toml"]
    for command in (checked, [sys.executable, "run.py"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    assert "test_accuracy" in done.stdout
    (folder,) = (tmp_path / "runs").iterdir()
    assert invoke(["ledger", "verify", str(folder)]) == 0
