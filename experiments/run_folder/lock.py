"""The lock of a run folder: one process runs in it. The kernel lets go of it however the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from experiments.errors import UsageError
from experiments.run_folder.files import LOCK


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder``. Raises UsageError where another process does, and names it."""
    path = folder / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise UsageError(
                f"{folder}: process {holder} runs in this folder; wait until it has ended, or end it first"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


@contextmanager
def new_run_lock(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for a run that begins. Nothing may be written before: another run may have begun, and even ended,
    since the folder was chosen. Raises UsageError where one did."""
    with run_lock(folder):
        if found := sorted(path.name for path in folder.iterdir() if path.name != LOCK):
            raise UsageError(
                f"{folder} holds {', '.join(found[:3])}: another run was written there meanwhile; give another --output"
            )
        yield


def is_running(folder: Path) -> bool:
    """Whether the process that locked ``folder`` lives. It takes no lock, which could keep a run off."""
    path = folder / LOCK
    try:
        number, locked = int(path.read_text()), path.stat().st_mtime
        return (
            psutil.Process(number).create_time() <= locked + 1.0
        )  # else: another process has its number now
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False
