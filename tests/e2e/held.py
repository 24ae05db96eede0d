"""``python -m tests.e2e.held MODULE:NAME N FOLDER ARGUMENT...``: the command line, which stands still before the N-th
call of a function until it is let go: a test sees it amid its work, however slow either of the two is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.e2e.killed import at_call

HELD, LET_GO = "held", "let-go"
LOOK_S = 0.02


class Held:
    """Such a command, in a process of its own, which ends with the block. ``folder`` is there and is its alone."""

    def __init__(self, folder: Path, place: str, count: int, *command: str, **options: Any) -> None:
        self._folder = folder
        words = [sys.executable, "-P", "-m", "tests.e2e.held", place, str(count), str(folder), *command]
        self.process = subprocess.Popen(words, **options)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def until_held(self) -> None:
        """It stands still when this returns. Raises AssertionError where it ended before."""
        while not (self._folder / HELD).exists():
            assert self.process.poll() is None, "it ended before that call"
            time.sleep(LOOK_S)

    def let_go(self) -> None:
        (self._folder / LET_GO).touch()


def main(place: str, count: str, folder: str, *command: str) -> int:
    """The exit code of ``command``."""
    from experiments.cli import invoke

    def hold() -> None:
        (Path(folder) / HELD).touch()
        while not (Path(folder) / LET_GO).exists():
            time.sleep(LOOK_S)

    at_call(place, int(count), "before", hold)
    return invoke(list(command))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
