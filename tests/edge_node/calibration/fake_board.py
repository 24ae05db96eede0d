"""A board's power sensor as a sysfs tree: 2 W, and 1.5 W for every thread of this process tree that works; 0.5 W while
a file ``asleep`` lies beside it.

A process of its own looks which threads run or could run (state R in ``/proc/PID/task/TID/stat``): what it shows does
not depend on what else runs on the machine. It shows the mean of its last looks, and every reading differs a little,
as a real sensor's.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from collections import deque
from pathlib import Path

from tests.edge_node.meters.recordings import replaced

IDLE_W, THREAD_W, ASLEEP_W = 2.0, 1.5, 0.5
PERIOD_S, LOOKS = 0.02, 25
NOT_LOAD = (b"sampling.process", b"fake_board")
"""Processes of the measurement itself."""


class FakeBoard:
    """Starts the process; ``spec`` names its sensor. ``itself``: this process is load too, not only those it starts:
    threads that other tests have left in it would be measured as well."""

    def __init__(self, folder: Path, itself: bool = True) -> None:
        folder.mkdir()
        self.spec, self.asleep = f"hwmon:{folder}", folder / "asleep"
        (folder / "update_interval").write_text("200\n")
        replaced(folder / "power1_input", round(IDLE_W * 1e6))
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(os.getpid()), str(folder), str(int(itself))],
            stdin=subprocess.PIPE,
        )

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def show(root: int, path: Path, itself: bool) -> None:
    """Until standard input closes."""
    own = (root,) if itself else ()
    looks: deque[int] = deque(maxlen=LOOKS)
    count = 0
    while not select.select([sys.stdin], [], [], PERIOD_S)[0]:
        looks.append(sum(working(process) for process in (*own, *below(root))))
        count += 1
        awake_w = IDLE_W + THREAD_W * sum(looks) / len(looks)
        power_w = ASLEEP_W if path.with_name("asleep").exists() else awake_w
        replaced(path, round(power_w * 1e6) + count % 7 * 1000)


def working(process: int) -> int:
    """Threads of a process that run or could."""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        if not any(name in command for name in NOT_LOAD):
            return sum(_state(process, thread) == "R" for thread in _names(process))
    return 0


def below(process: int) -> list[int]:
    """Processes that it started, and those they did."""
    found = []
    for thread in _names(process):
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process}/task/{thread}/children").read_text().split()
            found += [each for child in map(int, children) for each in (child, *below(child))]
    return found


def _state(process: int, thread: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/task/{thread}/stat").read_text().rpartition(") ")[2][:1]
    return ""


def _names(process: int) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(f"/proc/{process}/task")
    return []


if __name__ == "__main__":
    show(int(sys.argv[1]), Path(sys.argv[2]) / "power1_input", sys.argv[3] == "1")
