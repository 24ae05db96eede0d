"""Files that a page of the documentation tells its reader to write."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def write_files(page: str, folder: Path) -> list[str]:
    """Write every ``# file: NAME`` block of ``page`` into ``folder``; the names."""
    text = (DOCS / page).read_text(encoding="utf-8")
    files = re.findall(r"```(?:toml|python)\n# file: (\S+)\n(.*?)```", text, re.DOTALL)
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return [name for name, _ in files]
