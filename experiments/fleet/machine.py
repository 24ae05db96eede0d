"""This machine: its cores, and memory that processes with large tensors keep."""

from __future__ import annotations

import ctypes
import os

KEEP_BYTES = 2**30
TOP_PAD_BYTES = 2**26


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_memory() -> None:
    """Tell glibc to keep freed memory in this process; nothing happens with another C library.

    Tensors come and go with every batch, and parameters of some megabytes with every round: page faults on fresh memory
    cost more than the copies themselves.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter, value in ((-3, KEEP_BYTES), (-1, KEEP_BYTES), (-2, TOP_PAD_BYTES)):  # see mallopt(3)
        mallopt(parameter, value)
