"""Process helpers: a process ends when its parent ends, its threads take turns quickly, and its memory is seldom
searched for cycles."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
TURN_S = 0.0005
"""Python's own turn is ten times as long: the thread that writes the ledger waited for it after every statement, and a
slot of ten nodes took 8 ms more."""


OBJECTS_BETWEEN_SEARCHES = 50_000
"""Python's own 700 had a tenth of the time of importing, of drawing and of a busy coordinator go into searches, which
find next to nothing; 10,000 some three hundredths."""


def search_cycles_seldom() -> None:
    """For processes of our own, where they begin."""
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)


def leave_out_what_is_there() -> None:
    """Likewise, and leave out of searches what is there already (modules, configuration). Once, where a process begins
    to serve: what is left out is never searched again."""
    gc.freeze()
    search_cycles_seldom()


@contextmanager
def cycles_seldom_searched() -> Iterator[None]:
    """As ``leave_out_what_is_there``, until the block ends: for a process that goes on with other things."""
    before = gc.get_threshold()
    leave_out_what_is_there()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def take_turns_quickly() -> None:
    """Have a thread that waits for the interpreter get it after TURN_S. For processes with one busy thread and others
    that write to disk or answer messages."""
    sys.setswitchinterval(TURN_S)


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel send SIGTERM when the parent ends, however it ends. On Linux; elsewhere without effect.

    The kernel ties this to the *thread* of the parent that started the process: it has to live as long.

    ``parent_pid``: who the parent was at the start; when it is gone already, this process ends now.
    """
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit(0)
