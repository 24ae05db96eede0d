"""Coordinator processes started ahead: imported while another run goes on, and given their configuration later."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .spawn import command_ahead

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 10.0
_INPUT_CLOSED = (OSError, ValueError)
"""Of writing to a process that has ended."""


class Ahead:
    """At most one process that has imported ``module`` and waits to be told its arguments.

    It has no file and no port before it is taken. It ends when it is not needed, and with this process.
    """

    def __init__(self, module: str = "coordinator") -> None:
        self._module = module
        # The kernel ties the parent-death signal to the thread that started the child: one thread starts them all.
        self._starter: ThreadPoolExecutor | None = None
        self._waiting: Future[subprocess.Popen[str]] | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start a process, unless one waits. Returns at once."""
        with self._lock:
            if self._waiting is None:
                if self._starter is None:
                    self._starter = ThreadPoolExecutor(1, thread_name_prefix="coordinator-ahead")
                self._waiting = self._starter.submit(self._start)

    def take(self, arguments: list[str], log: Path) -> subprocess.Popen[str] | None:
        """Run the module in the waiting process, its standard error appended to ``log``. None where no process
        waits, or it has ended: the caller starts one."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is None:
            return None
        try:
            process = waiting.result()
        except OSError as error:
            logger.warning("no coordinator could be started ahead: %s", error)
            return None
        assert process.stdin is not None  # a pipe was asked for
        try:
            process.stdin.write(json.dumps({"arguments": arguments, "log": str(log.resolve())}) + "\n")
            process.stdin.close()
        except _INPUT_CLOSED:
            logger.warning("the coordinator started ahead has ended (exit code %s)", process.poll())
            _end(process)
            return None
        return process

    def stop(self) -> None:
        """End the process that waits, if there is one. May be called twice."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
            starter, self._starter = self._starter, None
        if waiting is not None:
            with contextlib.suppress(OSError):
                _end(waiting.result())
        if starter is not None:
            starter.shutdown()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command_ahead(self._module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # until it is taken: one that fails here is started again, with a log
            text=True,
            start_new_session=True,  # Ctrl-C is for the runner
        )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(STOP_TIMEOUT_S)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(*_INPUT_CLOSED):
                pipe.close()
