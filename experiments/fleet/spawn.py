"""Run a module as a child that dies with its parent.

Usage: ``command(MODULE, ARGS...)``; it runs ``experiments.fleet.spawn PARENT_PID MODULE ARGS...``.
``command_ahead(MODULE)`` imports the module and waits for one line of JSON on standard input,
``{"arguments": [...], "log": "FILE"}``; it ends where there is none.

Ray blocks SIGINT in processes it starts and their children inherit that, and a killed parent leaves orphans
behind. Both are put right here, in the child itself, before the module runs.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_S = 1.0
_WAIT = "--arguments-from-standard-input"


def _die_with(parent_pid: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent_pid,), daemon=True).start()
    if os.getppid() != parent_pid:  # it died before we could ask to be told
        os._exit(1)


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)


_START = """import os, runpy, sys
sys.path += [sys.argv.pop(1), os.getcwd()]
runpy.run_module("experiments.fleet.spawn", run_name="__main__", alter_sys=True)"""
"""Our own folder and the working directory come last, where code of one's own is looked for too."""


def command(module: str, *arguments: str) -> list[str]:
    """What to execute. ``-P``: Python puts the working directory first otherwise, with folders that may be called as
    ours are."""
    root = str(Path(__file__).resolve().parents[2])
    return [sys.executable, "-P", "-c", _START, root, str(os.getpid()), module, *arguments]


def command_ahead(module: str) -> list[str]:
    """What to execute so that ``module`` is imported now and run when its arguments are known."""
    return command(module, _WAIT)


def _await_arguments(module: str) -> list[str]:
    """Import ``module``, then read its arguments; standard error goes to the log from then on."""
    importlib.import_module(f"{module}.__main__")
    del sys.modules[f"{module}.__main__"]  # it is run as __main__; what it imported stays
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    told = json.loads(line)
    with Path(told["log"]).open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    return list(told["arguments"])


def main() -> None:
    parent_pid, module, *arguments = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _die_with(int(parent_pid))
    if arguments == [_WAIT]:
        arguments = _await_arguments(module)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
