"""Programs of the user's: run without a shell, with a time limit for the program and all that it starts."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence

from edge_node.actuators.actuator import ActuatorError

POLL_S = 0.1
"""Between two questions whether a board is ready."""
TAIL = 200
"""Characters of a program's last words that an error repeats."""


class TookLongerError(ActuatorError):
    """A program did not end within its time."""


def check_program(role: str, arguments: Sequence[str]) -> None:
    """Raises ActuatorError where there is no such program here."""
    if shutil.which(arguments[0]) is None:
        raise ActuatorError(
            f"{role} = {shown(arguments)}: there is no program {arguments[0]} on this machine; give its whole path"
        )


def run_program(role: str, arguments: Sequence[str], limit_s: float) -> None:
    """Run a program to its end. Raises ActuatorError where it cannot be run, fails, or takes longer."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ActuatorError(f"{role} = {shown(arguments)} cannot be run: {error}") from error
        try:
            code = process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise TookLongerError(
                f"{role} = {shown(arguments)} took longer than {limit_s:.3g} s (sleep.time_limit_s)"
            ) from None
        finally:
            if process.poll() is None:
                _end(process)
        if code != 0:
            raise ActuatorError(f"{role} = {shown(arguments)} ended with code {code}{_last_words(said)}")


def wait_until_ready(arguments: Sequence[str], until: float, limit_s: float) -> None:
    """Ask again and again until the program ends with 0; ``until`` on the monotonic clock. Raises ActuatorError with
    what it said last: the last time that it is asked, there may be no time left for an answer."""
    last: ActuatorError | None = None
    while True:
        try:
            return run_program("ready", arguments, max(0.001, until - time.monotonic()))
        except TookLongerError as error:
            last = last or error
        except ActuatorError as error:
            last = error
        if time.monotonic() + POLL_S > until:
            raise ActuatorError(
                f"not awake within {limit_s:g} s (sleep.time_limit_s); last: {last}"
            ) from last
        time.sleep(POLL_S)


def shown(arguments: Sequence[str]) -> str:
    return f"`{shlex.join(arguments)}`"


def _end(process: subprocess.Popen[bytes]) -> None:
    """The program and what it has started and not detached."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_words(said: object) -> str:
    assert hasattr(said, "seek")
    assert hasattr(said, "read")
    said.seek(0)
    text = " ".join(said.read(1 << 16).decode(errors="replace").split())
    return f": {text[-TAIL:]}" if text else ""
