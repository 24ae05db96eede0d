"""A process beside this one that draws figures while this one does something else."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from contextlib import suppress
from typing import Any

from experiments.fleet.machine import cpu_count
from experiments.fleet.spawn import command

logger = logging.getLogger(__name__)

MODULE = "experiments.report.drawer"
PATIENCE_S = 5.0
"""Longest that it may take to end (choice; it has nothing to finish)."""
ANSWER_S = 300.0
"""Longest that one answer may take (choice; sections of large runs take tens of seconds on a busy machine)."""


class SecondProcess:
    """``experiments.report.drawer``, asked and answering in lines of JSON. It ends with this process.

    Start it early: it needs a second or two to import what it draws with. A machine with one processor gets none.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def works(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, unless it works. Returns at once."""
        if self.works or cpu_count() < 2:
            return
        try:
            self._process = subprocess.Popen(
                command(MODULE),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                process_group=0,  # Ctrl-C is for who asks, also while this process still imports
            )
        except OSError as error:
            logger.warning("figures are drawn in one process: %s", error)

    def ask(self, question: dict[str, Any]) -> Any | None:
        """Its answer; None where it could not do it, or has ended. Killed where it does not answer within ANSWER_S."""
        process = self._process
        assert process is not None, "start() comes first"
        assert process.stdin is not None  # pipes were asked for
        assert process.stdout is not None
        killed = threading.Event()

        def too_late() -> None:
            killed.set()
            process.kill()

        timer = threading.Timer(ANSWER_S, too_late)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError as error:
            line, why = "", str(error)
        else:
            why = "it has ended"
        finally:
            timer.cancel()
        if killed.is_set():
            logger.warning(
                "process %d, which draws figures, did not answer within %g s: it is killed, and they are drawn here",
                process.pid,
                ANSWER_S,
            )
        answer = json.loads(line) if line.endswith("\n") else {"error": why}
        if "error" in answer:
            logger.info("the second process did not draw %s: %s", question, answer["error"])
            return None
        return answer["drawn"]

    def stop(self) -> None:
        """End it; kill it where it does not end within PATIENCE_S. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()  # it has written all that it was asked for, and may still be importing
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            logger.warning(
                "process %d, which draws figures, did not end within %g s of SIGTERM: it is killed, and all that it "
                "was asked for is drawn; look at the limits of this shell (ulimit -a) where this comes again",
                *(process.pid, PATIENCE_S),
            )
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # the kernel holds it; it dies with this process
                process.wait(PATIENCE_S)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what could not be sent to it
                pipe.close()
