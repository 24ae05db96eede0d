"""A daemon that nobody supervises: its process is recorded with its start time, and only that process is ever ended."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

READY_S = 90.0
"""Longest wait; one that is not ready then may be so later."""
END_S = 20.0
POLL_S = 0.05


def started_at(pid: int, proc: Path = Path("/proc")) -> str | None:
    """When a living process began: the machine's boot, and clock ticks after it; None: there is none."""
    try:
        # After the name, which may hold anything, in brackets.
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot} {ticks}"


class Recorded:
    """The daemon of a folder.

    Args:
        folder: Holds ``daemon.json`` (the record) and ``daemon.log`` (what it said).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record, self.log = folder / "daemon.json", folder / "daemon.log"

    def pid(self) -> int | None:
        """Of the recorded process, where it lives still."""
        try:
            record = json.loads(self._record.read_text())
            pid, started = int(record["pid"]), record["started"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        living = started_at(pid)  # of one that ended before it was recorded, the record has none either
        return pid if living is not None and living == started else None

    def start(self, command: Sequence[str]) -> int:
        """Begin ``command`` in a session of its own, unless the recorded process lives, and wait until it says that it
        is ready (sd_notify(3)) or has ended. Returns the process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._locked(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            if (pid := self.pid()) is not None:
                return pid
            ready.bind(b"\0detabed-" + secrets.token_hex(16).encode())
            ready.settimeout(POLL_S)
            with self.log.open("ab") as log:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd=self._folder,
                    env={**os.environ, "NOTIFY_SOCKET": "@" + ready.getsockname()[1:].decode()},
                )
            draft = self._record.with_name(".daemon.json.part")
            draft.write_text(json.dumps({"pid": process.pid, "started": started_at(process.pid)}))
            draft.replace(self._record)
            end = time.monotonic() + READY_S
            while process.poll() is None and time.monotonic() < end:
                with suppress(TimeoutError):
                    if ready.recv(100) == b"READY=1":
                        break
            return process.pid

    def stop(self) -> bool:
        """End the recorded process: asked first, killed after a while. False: it did not live."""
        with self._locked():
            pid = self.pid()
            if pid is None:
                return False
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                return False
            try:
                # The handle keeps the process; that it is still the recorded one is looked up after it was opened.
                if self.pid() != pid:
                    return False
                for word in (signal.SIGTERM, signal.SIGKILL):
                    signal.pidfd_send_signal(handle, word)
                    if self._ended():
                        self._record.unlink(missing_ok=True)
                        return True
            except ProcessLookupError:
                return True
            finally:
                os.close(handle)
        raise OSError(f"process {pid} does not end")

    def last_line(self) -> str:
        """Of what it said."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def _ended(self) -> bool:
        end = time.monotonic() + END_S
        while self.pid() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(POLL_S)
        return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._folder.is_dir():
            yield
            return
        with (self._folder / "daemon.lock").open("w") as file:
            os.set_inheritable(file.fileno(), False)
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
