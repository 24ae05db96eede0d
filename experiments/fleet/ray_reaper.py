"""Ends what is left of a Ray of ours, and removes its folder, however its parent ended: SIGKILL leaves it no time to.

``python -I -S ray_reaper.py FOLDER PARENT``: waits until standard input ends, as it does with the parent, and then
kills every process of this user that has the token in FOLDER in its environment, but for children of a parent that
lives on. Where Ray ended before its parent, it says so on standard error. Two agents of a raylet that was killed
stayed for a minute, and the folder for good. Nothing of this project is imported, so that it starts at once and is
small. On systems without /proc it removes the folder only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

VARIABLE, TOKEN = "RAY_AUTH_TOKEN_PATH", "token"
OVER = b"over\n"
"""What a parent says that stopped Ray in order and goes on."""
UP = b"up\n"
"""What it says once Ray works."""
RAYLET = "raylet"
RAYLET_LOG = "*/session_*/logs/raylet.out"
"""Below the folder, as soon as a raylet was started."""
SENTENCE = (
    "Ray has ended on this machine: its raylet is gone (was it killed, or out of memory?). What is booked is kept: "
    "`detabed resume` with the run's folder goes on"
)
START_SENTENCE = (
    "Ray has ended on this machine while it started: its raylet is gone (was it killed, or out of memory?). Nothing "
    "was run: give the command again"
)
GRACE_S = 1.0
"""For processes that miss their parent and end by themselves: the coordinator closes its ledger."""
LOOK_S, AT_MOST_S = 0.1, 30.0
CALM_LOOKS = 2
"""So often nothing is found before it is over: a process may be starting another."""


def left_over(folder: Path, parent: int) -> Iterator[int]:
    """Processes with the token in ``folder`` that are no descendants of ``parent`` (0: it is dead)."""
    for place in Path("/proc").glob("[0-9]*"):
        if _is_left(int(place.name), folder, parent):
            yield int(place.name)


def _is_left(number: int, folder: Path, parent: int) -> bool:
    mark = f"{VARIABLE}={folder / TOKEN}".encode()
    try:
        ours = mark in Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        return ours and number != os.getpid() and not (parent and _descends(number, parent))
    except OSError:  # it has ended, or is another user's
        return False


def _descends(number: int, parent: int) -> bool:
    while number > 1:
        stat = Path(f"/proc/{number}/stat").read_text(errors="replace")
        number = int(stat.rpartition(")")[2].split()[1])
        if number == parent:
            return True
    return False


def end(number: int, folder: Path, parent: int) -> None:
    """Kill a process, unless its number is another's by now."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(number)
        try:
            if _is_left(number, folder, parent):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def clear(folder: Path, parent: int) -> None:
    """Until nothing is left."""
    until, calm = time.monotonic() + AT_MOST_S, 0
    while calm < CALM_LOOKS and time.monotonic() < until:
        found = list(left_over(folder, parent)) if sys.platform == "linux" else []
        for number in found:
            end(number, folder, parent)
        calm = 0 if found else calm + 1
        time.sleep(LOOK_S)
    shutil.rmtree(folder, ignore_errors=True)


def _is_raylet(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/comm").read_text().strip() == RAYLET
    except OSError:  # it has ended
        return False


def _sentence(folder: Path, said: bytes) -> str:
    """What to say where a raylet was there, and has ended before its parent; nothing otherwise."""
    if any(map(_is_raylet, left_over(folder, 0))):
        return ""
    if said == UP:
        return SENTENCE
    return START_SENTENCE if not said and any(folder.glob(RAYLET_LOG)) else ""


def main() -> None:
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    said = sys.stdin.buffer.read()
    if said.endswith(OVER):
        clear(folder, parent)
        return
    if sys.platform == "linux" and (sentence := _sentence(folder, said)):
        # Not the parent ended first: Ray did, and then ended the parent, which could say nothing.
        with contextlib.suppress(OSError):
            os.write(2, f"\nfailed: {sentence}\n".encode())
    time.sleep(GRACE_S)
    clear(folder, 0)


if __name__ == "__main__":
    main()
