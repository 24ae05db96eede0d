"""LP files as HiGHS writes them, in words that other solvers read too."""

from __future__ import annotations

import re
from pathlib import Path

_EMPTY_ROW = re.compile(r"^( \S+:) (<=|>=|=) ")
_SECTION = {"bin": "binary", "gen": "general", "semi": "semi-continuous"}


def make_common(path: Path, column: str) -> None:
    """Rewrite the file: sections under their long names, and only where something is in them; rows without a term
    with ``column`` times zero.

    CBC takes ``bin`` for the name of a column, and solves the program without its whole numbers; GLPK refuses a row
    without a term."""
    lines = path.read_text(encoding="utf-8").splitlines()
    written: list[str] = []
    for line, following in zip(lines, [*lines[1:], "end"], strict=True):
        if line not in _SECTION:
            written.append(_EMPTY_ROW.sub(rf"\1 +0 {column} \2 ", line))
        elif following.startswith(" "):
            written.append(_SECTION[line])
    path.write_text("\n".join(written) + "\n", encoding="utf-8")
