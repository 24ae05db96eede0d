"""What all workers of a session of pytest share: made by the first that asks, read by all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

VARIABLE = "TESTS_SHARED_FOLDER"
"""Folder of this session; the process that starts the workers makes it, and removes it at the end."""


def open_session() -> Path | None:
    """Make the session's folder, for this process and those that it starts. None where one is there already."""
    if VARIABLE in os.environ:
        return None
    folder = Path(tempfile.mkdtemp(prefix="detabed-tests-"))
    os.environ[VARIABLE] = str(folder)
    return folder


def close_session(folder: Path) -> None:
    del os.environ[VARIABLE]
    shutil.rmtree(folder, ignore_errors=True)


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The session's folder ``name``. ``make`` fills it, in the first process that asks; others wait for it. It is
    not written to afterwards. When ``make`` raises, the next one that asks begins again.
    """
    root = Path(os.environ[VARIABLE])
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        finally:
            # Said, because a process that was forked meanwhile has the file open too.
            fcntl.flock(lock, fcntl.LOCK_UN)
    return folder
