"""Notices at once that Ray's own process on this machine, the raylet, has ended.

When Ray next needs it, Ray ends this process without a word (exit code 1, nothing cleaned up): it has to be asked for
before. Where Ray is quicker, ``ray_reaper`` says so.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading

import psutil

from .ray_reaper import SENTENCE

NAME = "raylet"
FALLBACK_POLL_S = 0.05
"""Where the kernel has no file descriptors of processes."""


class FleetLostError(RuntimeError):
    """Ray has ended in the middle of a run."""


def living_raylet() -> psutil.Process | None:
    """The one that this process started last; a start that failed may have left another."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if child.name() == NAME and child.status() != psutil.STATUS_ZOMBIE:
                found.append((child.create_time(), child))
    return max(found, key=lambda each: each[0])[1] if found else None


class RayletWatch:
    """Watches the raylet that this process started, from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._why = ""
        self._stop: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Returns at once; without effect where this process started none."""
        found = living_raylet()
        if found is not None:
            self._stop = os.pipe()
            self._thread = threading.Thread(
                target=self._watch, args=(found, self._stop[0]), name="raylet-watch", daemon=True
            )
            self._thread.start()

    def check(self) -> None:
        """Raises FleetLostError where it has ended."""
        if self._why:
            raise FleetLostError(self._why)

    def stop(self) -> None:
        """What ends from here on is meant to. May be called twice."""
        stop, self._stop = self._stop, None
        if stop is None or self._thread is None:
            return
        os.write(stop[1], b"x")
        self._thread.join()
        for end in stop:
            os.close(end)

    def _watch(self, raylet: psutil.Process, stop: int) -> None:
        if not _ends_before(raylet, stop):
            return
        self._why = SENTENCE


def _ends_before(process: psutil.Process, stop: int) -> bool:
    """Whether ``process`` ends before something is written to ``stop``."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (OSError, AttributeError):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if select.select([stop], [], [], FALLBACK_POLL_S)[0]:
                return False
        return True
    try:
        ready, _, _ = select.select([descriptor, stop], [], [])
        return stop not in ready
    finally:
        os.close(descriptor)
