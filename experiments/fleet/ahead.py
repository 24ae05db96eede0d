"""Coordinator processes without their imports: one process has imported the coordinator and is forked for each run."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from .spawn import ONE_THREAD, command_ahead

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
_GONE = (OSError, ValueError)
"""Of a process that has ended."""


class Ahead:
    """One process that has imported ``module`` and is forked for each run that asks.

    It has no file, port or thread of its own, so that what is forked begins as a process would that had just imported
    the same. It ends when it is told to, and with this process; those forked from it end with it.
    On Linux; elsewhere nothing is started ahead.
    """

    def __init__(self, module: str = "coordinator") -> None:
        self._module = module
        # The kernel ties the parent-death signal to the thread that started the child: one thread starts it.
        self._starter: ThreadPoolExecutor | None = None
        self._original: Future[_Original] | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start the process, unless there is one. Returns at once."""
        if not hasattr(os, "pidfd_open"):
            return
        with self._lock:
            if self._original is None:
                self._starter = ThreadPoolExecutor(1, thread_name_prefix="coordinator-ahead")
                self._original = self._starter.submit(_Original, self._module)

    def take(self, arguments: list[str], log: Path) -> Forked | None:
        """Run the module in a fork, its standard error appended to ``log``. None where nothing was started ahead, or
        it has ended: the caller starts a process."""
        with self._lock:
            original = self._original
        if original is None:
            return None
        try:
            return original.result().fork(arguments, log)
        except _GONE as error:
            logger.warning("no coordinator could be forked from the one started ahead: %s", error)
            self.stop()
            return None

    def stop(self) -> None:
        """End the process, and with it what was forked from it and still runs. May be called twice."""
        with self._lock:
            original, self._original = self._original, None
            starter, self._starter = self._starter, None
        if original is not None:
            with contextlib.suppress(OSError):
                original.result().end()
        if starter is not None:
            starter.shutdown()


class _Original:
    """The process that is forked. Requests go to it over a socket that only these two have."""

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                command_ahead(module),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # one that fails here is started without a fork, with a log
                env=os.environ | ONE_THREAD,
                start_new_session=True,  # Ctrl-C is for the runner
            )
        ours.settimeout(START_TIMEOUT_S)
        self._socket, self._environment = ours, dict(os.environ)
        self._lock = threading.Lock()

    def fork(self, arguments: list[str], log: Path) -> Forked:
        """Raises OSError or ValueError where the process has ended."""
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        given = [theirs.fileno(), writing]
        try:
            with log.open("a", encoding="utf-8") as errors, self._lock:
                given.append(errors.fileno())
                request = {"arguments": arguments, "environment": self._changes()}
                socket.send_fds(self._socket, [json.dumps(request).encode()], given)
            theirs.close()
            ours.settimeout(START_TIMEOUT_S)
            told, descriptors, _, _ = socket.recv_fds(ours, 64, 1)
            if not told:
                raise OSError(f"it has ended (exit code {self._process.poll()})")
            return Forked(int(told), descriptors[0], ours, os.fdopen(reading, encoding="utf-8"))
        except BaseException:
            ours.close()
            os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(writing)

    def _changes(self) -> dict[str, str | None]:
        """Of this process's environment since it was started; None: no longer there."""
        before, now = self._environment, dict(os.environ)
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        return {**changed, **dict.fromkeys(before.keys() - now.keys())}

    def end(self) -> None:
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)
        self._socket.close()


class Forked:
    """A process that was forked from another one, with those parts of ``subprocess.Popen`` that are used here.

    Args:
        pid: Its number, and ``pidfd`` its descriptor, by which no other process can be meant.
        told: Where the process that it was forked from tells its exit code.
        stdout: What it writes to standard output.
    """

    def __init__(self, pid: int, pidfd: int, told: socket.socket, stdout: IO[str]) -> None:
        self.pid = pid
        self.stdout = stdout
        told.setblocking(False)
        self._pidfd, self._told = pidfd, told
        self._orphaned = False
        self._exit_code: int | None = None
        self._lock = threading.Lock()
        # Open as long as a thread may wait for them.
        weakref.finalize(self, _close, pidfd, told)

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None as long as it runs. Where the process it
        was forked from was killed, its own code is unknown: that of a kill, for it was killed with it."""
        with self._lock:
            if self._exit_code is None and not self._orphaned:
                with contextlib.suppress(BlockingIOError):
                    said = self._told.recv(64)
                    self._orphaned = not said
                    self._exit_code = int(said) if said else None
            if self._exit_code is None and self._orphaned and _readable(self._pidfd, 0.0):
                self._exit_code = -signal.SIGKILL
            return self._exit_code

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        end = None if timeout is None else time.monotonic() + timeout
        while (exit_code := self.poll()) is None:
            left_s = None if end is None else max(0.0, end - time.monotonic())
            if not _readable(self._pidfd if self._orphaned else self._told.fileno(), left_s):
                raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0.0)
        return exit_code

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)


def _readable(descriptor: int, limit_s: float | None) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(None if limit_s is None else limit_s * 1e3))


def _close(pidfd: int, told: socket.socket) -> None:
    os.close(pidfd)
    told.close()
