"""``python killed.py MODULE:NAME N before|after ARGUMENT...``: the command line, killed by SIGKILL at the N-th call of
a function: as a power cut at that moment, and at the same moment every time."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any


def at_call(place: str, count: int, when: str, then: Callable[[], None]) -> None:
    """From now on ``then`` is done ``before`` or ``after`` the ``count``-th call of ``module:attribute``."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    inner, calls = getattr(owner, name), 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        number = calls
        if number == count and when == "before":
            then()
        result = inner(*args, **options)
        if number == count and when == "after":
            then()
        return result

    setattr(owner, name, counted)


def main(place: str, count: str, when: str, *command: str) -> int:
    """The exit code of ``command``, where it comes to its end."""
    from experiments.cli import invoke

    at_call(place, int(count), when, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return invoke(list(command))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
