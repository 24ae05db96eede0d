"""Code blocks of all pages: README, CONTRIBUTING and docs, decisions included."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
}
"""Every page by its path from the root."""
FENCE = re.compile(r"^([ ]*)```([^\n]*)\n(.*?)^[ ]*```[ ]*$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"\A# file: (\S+)\n")


@dataclass(frozen=True)
class Block:
    """One fenced block; ``file``: the name after ``# file:`` in its first line, else None."""

    page: str
    line: int
    language: str
    code: str

    @property
    def file(self) -> str | None:
        found = FILE.match(self.code)
        return found[1] if found else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """Blocks of one page, in order."""
    text = PAGES[page].read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2].strip(), textwrap.dedent(found[3]))
        for found in FENCE.finditer(text)
    ]


def fences_of(page: str) -> int:
    """Lines of a page that begin or end a block."""
    return len(re.findall(r"^\s*(?:```|~~~)", PAGES[page].read_text(encoding="utf-8"), re.MULTILINE))


def commands_of(block: Block) -> Iterator[str]:
    """Commands of a shell block: lines, joined until the shell accepts them (loops, pipes, continued lines)."""
    waiting: list[str] = []
    for line in block.code.splitlines():
        waiting.append(line)
        text = "\n".join(waiting)
        if not text.strip() or all(part.lstrip().startswith("#") for part in waiting):
            waiting = []
        elif not line.rstrip().endswith(("\\", "|", "&&")) and _complete(text):
            yield text.strip()
            waiting = []
    assert not waiting, f"{block}: the shell does not accept {waiting}"


def _complete(text: str) -> bool:
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True, check=False)
    return done.returncode == 0
