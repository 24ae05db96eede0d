"""Children of this process by their command lines."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil


def children() -> list[tuple[psutil.Process, list[str]]]:
    """Those that live; other tests in this process may have left some of their own, and some that have ended."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has ended
            while not (line := child.cmdline()):  # empty for a moment while a program is loaded
                time.sleep(0.01)
            found.append((child, line))
    return found
