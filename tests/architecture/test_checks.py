"""`make check`, one test per command: format, lint, types, import contracts, generated code up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent

COMMANDS = {
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "lint": [str(BIN / "ruff"), "check", "."],
    "types": [str(BIN / "mypy")],
    "import contracts": [str(BIN / "lint-imports")],
    "generated code fresh": [sys.executable, "-m", "protos.generate", "--check"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_check(name: str) -> None:
    done = subprocess.run(COMMANDS[name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}:\n{done.stdout}\n{done.stderr}"
