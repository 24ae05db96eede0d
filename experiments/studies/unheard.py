"""Workers of a study that never hear Ctrl-C: it is for the study, which ends them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def unheard() -> Iterator[None]:
    """Within, Ctrl-C waits, and processes that are started have it blocked from their first moment: one that is still
    importing Python's own modules would end in a traceback on the terminal."""
    resource_tracker.ensure_running()  # lets the signal through when it starts, which it would do within
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
