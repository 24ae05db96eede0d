"""A process that is really stopped and continued, and programs that do it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def python(code: str, *arguments: object) -> tuple[str, ...]:
    """A program that runs ``code``."""
    return (sys.executable, "-S", "-c", code, *map(str, arguments))


@contextmanager
def worker() -> Iterator[int]:
    """Process number of a worker that computes until it is ended."""
    process = subprocess.Popen(python("while True: pass"))
    os.setpriority(os.PRIO_PROCESS, process.pid, 19)
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


STATE = "open('/proc/{}/stat').read().rpartition(')')[2].split()[0]"


def stop(pid: int) -> tuple[str, ...]:
    """Ends once the process has stopped: one that waits for a core takes its signals late."""
    state = STATE.format(pid)
    return python(f"import os, signal\nos.kill({pid}, signal.SIGSTOP)\nwhile {state} != 'T': pass")


def resume(pid: int) -> tuple[str, ...]:
    return python(f"import os, signal; os.kill({pid}, signal.SIGCONT)")


def is_running(pid: int) -> tuple[str, ...]:
    """Ends with 0 where the process is not stopped."""
    return python(f"import sys; sys.exit({STATE.format(pid)} == 'T')")


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
