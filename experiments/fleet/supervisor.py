"""Keeps the coordinator process running: starts it, restarts it when it dies, and stops it at the end.

It comes back on the same port with the same configuration; its ledger gives it a higher epoch, and the nodes'
streams reconnect by themselves. The port is kept for it while it is away. How often that may happen is limited, and
every restart is reported.
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from coordinator.config import EXIT_LEDGER_FAILED, CoordinatorConfig
from experiments.run_folder.files import COORDINATOR, COORDINATOR_LOG

from .ahead import Ahead, Forked
from .base import Managed
from .spawn import command

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Before the first start after a death, doubled with each further death, and the longest."""


class CoordinatorError(RuntimeError):
    """The coordinator does not start, or died too often."""


class _NotStartedError(CoordinatorError):
    """A process that ended, or was ended, before it served."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Restart:
    """One unexpected end of the coordinator, serving or starting."""

    exit_code: int
    """Negative: the signal that ended it."""
    down_s: float
    """From its end to being ready again."""


class Supervisor(Managed):
    """One coordinator process for one run.

    Args:
        config: What the coordinator is told; written to ``run_folder/coordinator.json``.
        run_folder: Where its configuration and standard error go.
        restarts: How often it may die unexpectedly.
        module: What is run with the configuration's path as its only argument.
        on_restart: Told of each restart.
        ahead: Forks the first process where one was started ahead.
    """

    def __init__(
        self,
        config: CoordinatorConfig,
        run_folder: Path,
        *,
        restarts: int = 3,
        module: str = "coordinator",
        on_restart: Callable[[Restart], None] = lambda _: None,
        ahead: Ahead | None = None,
    ) -> None:
        self._config = config
        self._config_path = run_folder / COORDINATOR
        self._log_path = run_folder / COORDINATOR_LOG
        self._allowed = restarts
        self._module = module
        self._on_restart = on_restart
        self._ahead = ahead
        self._process: subprocess.Popen[str] | Forked | None = None
        self._kept: socket.socket | None = None
        self._address = ""
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._failure: CoordinatorError | OSError | None = None
        self._said = ""
        self._drained = threading.Event()
        self._thread: threading.Thread | None = None
        self.restarts: list[Restart] = []

    @property
    def address(self) -> str:
        """host:port of the coordinator; stays the same through restarts."""
        return self._address

    @property
    def pid(self) -> int:
        """Of the process that runs now.

        Raises:
            CoordinatorError: none runs.
        """
        if self._process is None or self._process.poll() is not None:
            raise CoordinatorError("no coordinator process runs at this moment")
        return self._process.pid

    def start(self) -> str:
        """Start the coordinator and wait until it serves.

        Returns:
            Its address.

        Raises:
            CoordinatorError: it does not start; its log says why.
        """
        # The kernel ties the parent-death signal to the *thread* that started the child, so that one thread,
        # which lives as long as the supervisor, does all the starting.
        self._thread = threading.Thread(target=self._supervise, name="coordinator-supervisor", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S + STOP_TIMEOUT_S):
            self.stop()
            raise CoordinatorError(f"the coordinator was not ready in time; see {self._log_path}")
        self.check()
        return self._address

    def check(self) -> None:
        """Raise the error that keeps the coordinator from running, if there is one.

        Raises:
            CoordinatorError: it died more often than allowed, or never started.
            OSError: its files cannot be written.
        """
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stop the coordinator in an orderly way, or kill it when it does not. May be called twice."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            # The thread waits for the process; Popen.wait with a limit would only ask now and then.
            if self._thread is not None:
                self._thread.join(STOP_TIMEOUT_S)
            if process.poll() is None:
                logger.warning("the coordinator did not stop in %.0f s and is killed", STOP_TIMEOUT_S)
                process.kill()
                process.wait()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(START_TIMEOUT_S)

    # --- the supervising thread ---

    def _supervise(self) -> None:
        try:
            self._keep_running()
        except (CoordinatorError, OSError) as error:
            if not self._stopping.is_set():
                self._failure = error
        finally:
            if self._kept is not None:
                self._kept.close()
            self._ready.set()

    def _keep_running(self) -> None:
        """Start it and, as often as allowed, again. Every death counts, also one while it starts.

        Raises:
            CoordinatorError: it died too often, its ledger cannot be written, or it never started for a reason of its
                own, which would be the same the next time.
        """
        down: list[tuple[int, float]] = []
        """Exit code and time of the deaths since it served last."""
        while True:
            why = ""
            try:
                self._launch()
            except _NotStartedError as error:
                if self._stopping.is_set() or error.exit_code == EXIT_LEDGER_FAILED:
                    raise
                if not self._ready.is_set() and error.exit_code >= 0:
                    raise
                exit_code, why = error.exit_code, f": {error}"
            else:
                self._came_back(down)
                down = []
                self._ready.set()
                assert self._process is not None  # _launch has set it
                exit_code = self._process.wait()
                if self._stopping.is_set():
                    return
                if exit_code == EXIT_LEDGER_FAILED:
                    self._drained.wait(STOP_TIMEOUT_S)
                    raise CoordinatorError(
                        self._said or f"its ledger cannot be written; see {self._log_path}"
                    )
            down.append((exit_code, time.monotonic()))
            deaths = len(self.restarts) + len(down)
            if deaths > self._allowed:
                raise CoordinatorError(
                    f"the coordinator died {deaths} times ({_describe(exit_code)}); "
                    f"allowed are {self._allowed} restarts. See {self._log_path}{why}"
                )
            logger.warning("the coordinator died (%s) and is started again%s", _describe(exit_code), why)
            if self._stopping.wait(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (deaths - 1))):
                return

    def _came_back(self, down: list[tuple[int, float]]) -> None:
        now = time.monotonic()
        for exit_code, ended in down:
            restart = Restart(exit_code, now - ended)
            self.restarts.append(restart)
            self._on_restart(restart)

    def _launch(self) -> None:
        """Raises _NotStartedError."""
        self._said = ""
        if self._config.port == 0 and (kept := keep_port(self._config.host)) is not None:
            self._kept = kept
            self._config = self._config.model_copy(update={"port": kept.getsockname()[1]})
        self._config_path.write_text(self._config.model_dump_json(indent=1), encoding="utf-8")
        with self._log_path.open("a", encoding="utf-8") as log:
            ahead, self._ahead = self._ahead, None
            self._process = ahead.take([str(self._config_path.resolve())], self._log_path) if ahead else None
            if self._process is None:
                self._process = subprocess.Popen(
                    command(self._module, str(self._config_path)),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    # Ctrl-C is for the runner, which then stops the coordinator in order.
                    start_new_session=True,
                )
        if self._stopping.is_set():  # stop() came before there was a process to end
            self._process.kill()
        assert self._process.stdout is not None  # a pipe was asked for
        address = self._read_address(self._process.stdout)
        host, _, port = address.rpartition(":")
        self._address = address
        self._config = self._config.model_copy(update={"host": host.strip("[]"), "port": int(port)})

    def _read_address(self, stdout: IO[str]) -> str:
        """First line of the coordinator's standard output: a JSON object with its address."""
        process = self._process
        assert process is not None
        timer = threading.Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        try:
            line = stdout.readline()
        finally:
            timer.cancel()
        # Later output must not block it; the reason of its end is stored.
        self._drained.clear()
        threading.Thread(target=self._drain, args=(stdout,), daemon=True).start()
        self._hear(line)
        try:
            return str(json.loads(line)["address"])
        except (ValueError, KeyError, TypeError) as error:
            process.kill()
            exit_code = process.wait()
            raise _NotStartedError(
                f"the coordinator did not start ({_describe(exit_code)}): "
                f"{self._said or self._last_words() or 'it gave no reason'}. See {self._log_path}",
                exit_code,
            ) from error

    def _drain(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._hear(line)
        self._drained.set()

    def _hear(self, line: str) -> None:
        try:
            self._said = str(json.loads(line)["failed"])
        except (ValueError, KeyError, TypeError):
            return  # any other line is not for us

    def _last_words(self) -> str:
        lines = self._log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def keep_port(host: str) -> socket.socket | None:
    """A free port of ``host``, bound and not listening: the kernel gives it to no other program that asks for any free
    one, and a server may listen there. None where that cannot be had; elsewhere than on Linux the server could not."""
    if sys.platform != "linux":
        return None
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), 0, type=socket.SOCK_STREAM)[0]
        kept = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None
    try:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(address)
    except OSError:  # the coordinator says what is wrong with the host
        kept.close()
        return None
    return kept


def _describe(exit_code: int) -> str:
    return f"signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
