"""Files that a page of the documentation tells its reader to write, and what the reader then does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OwnModules = Callable[[str], None]


def write_files(page: str, folder: Path) -> list[str]:
    """Write every ``# file: NAME`` block of ``page`` into ``folder``; the names."""
    text = (DOCS / page).read_text(encoding="utf-8")
    files = re.findall(r"```(?:toml|python)\n# file: (\S+)\n(.*?)```", text, re.DOTALL)
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return [name for name, _ in files]


def run_python(script: Path) -> str:
    """What ``python SCRIPT`` prints in its folder."""
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=script.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
