"""Run a module as a child that dies with its parent.

Usage: ``command(MODULE, ARGS...)``; it runs ``experiments.fleet.spawn PARENT_PID MODULE ARGS...``.
``command_ahead(MODULE)`` imports the module and forks for each request on standard input.

Ray blocks SIGINT in processes it starts and their children inherit that, and a killed parent leaves orphans
behind. Both are put right here, in the child itself, before the module runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from coordinator.process import search_cycles_seldom

_PR_SET_PDEATHSIG = 1
_POLL_S = 1.0
_FORK = "--fork-for-each-request"
_REQUEST_BYTES = 1 << 16
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Environment of what is forked: numpy's library would start threads as it is imported, and none survives a fork."""


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
    """What to execute so that ``module`` is imported once and run in a fork for each request."""
    return command(module, _FORK)


def _fork_for_each_request(module: str) -> list[str]:
    """Import ``module``, then fork for each request that arrives at standard input: arguments, and what has changed in
    the environment, with descriptors for what is said of the fork, its standard output and its standard error. Returns
    in the fork, with its arguments.

    Of a fork its process number and descriptor are told first, its exit code at its end. This process ends when
    the socket of requests is closed.
    """
    importlib.import_module(f"{module}.__main__")
    del sys.modules[f"{module}.__main__"]  # it is run as __main__; what it imported stays
    gc.freeze()  # pages that no search for cycles touches stay shared
    asked = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    running: dict[int, tuple[int, socket.socket]] = {}
    """By descriptor: number of the process, and where its end is told."""
    mine = os.getpid()
    while True:
        for ready in select.select([asked.fileno(), *running], [], [])[0]:
            if ready in running:
                _tell_end(ready, *running.pop(ready))
                continue
            request, given, _, _ = socket.recv_fds(asked, _REQUEST_BYTES, 3)
            if not request:
                sys.exit(0)
            pid = os.fork()
            if pid == 0:
                asked.close()
                for pidfd, (_, told) in running.items():
                    os.close(pidfd)
                    told.close()
                _die_with(mine)
                return _as_fork(request, given)
            pidfd, told = os.pidfd_open(pid), socket.socket(fileno=given[0])
            running[pidfd] = (pid, told)
            for descriptor in given[1:]:
                os.close(descriptor)
            with contextlib.suppress(OSError):
                socket.send_fds(told, [str(pid).encode()], [pidfd])


def _tell_end(pidfd: int, pid: int, told: socket.socket) -> None:
    exit_code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(pidfd)
    with contextlib.suppress(OSError), told:
        told.sendall(str(exit_code).encode())


def _as_fork(request: bytes, given: list[int]) -> list[str]:
    """In the fork: its own session, output and parent, and the environment that who asks has now."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in zip((nothing, *given[1:]), (sys.stdin, sys.stdout, sys.stderr), strict=True):
        os.dup2(descriptor, standard.fileno())
    for descriptor in (nothing, *given):
        os.close(descriptor)
    asked = json.loads(request)
    for name, value in asked["environment"].items():
        if value is None:
            os.environ.pop(name, None)
        elif name not in ONE_THREAD:
            os.environ[name] = value
    return list(asked["arguments"])


def main() -> None:
    parent_pid, module, *arguments = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _die_with(int(parent_pid))
    search_cycles_seldom()
    if arguments == [_FORK]:
        arguments = _fork_for_each_request(module)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
