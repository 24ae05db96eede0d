"""Ctrl-C while a command is being imported: nothing has begun, so the process ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130
"""Exit code of what Ctrl-C has ended: 128 and the number of SIGINT."""


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Within, Ctrl-C raises nothing: an import that meets an exception may swallow it or report it as its own failure.

    Where SIGINT is ignored (a job in the background of a script) or has a handler of somebody else's, that stays.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def end(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """End this process with one word and the code of an interrupt; nothing is put in order."""
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def caused(error: BaseException | None) -> bool:
    """Whether an interrupt is behind ``error``: some of Python's own statements wrap it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None
