"""Memory that a process with large tensors keeps, and what a board's daemon does without."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

KEEP_BYTES = 2**30
"""Freed memory up to this stays with the process."""
TOP_PAD_BYTES = 2**26
"""Taken from the system at a time."""
_LARGEST_THRESHOLD_BYTES = 2**25
"""What glibc before 2.35 takes as a threshold of separate mappings; it refuses more."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""Names of mallopt(3)."""


def keep_memory() -> bool:
    """Tell glibc to keep freed memory in this process; False with another C library, where nothing happens.

    Tensors come and go with every batch, and parameters of some megabytes with every round: page faults on fresh memory
    cost more than the copies themselves.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    large = mallopt(_MMAP_THRESHOLD, KEEP_BYTES) or mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD_BYTES)
    return bool(large and mallopt(_TRIM_THRESHOLD, KEEP_BYTES) and mallopt(_TOP_PAD, TOP_PAD_BYTES))


def share_one_heap() -> bool:
    """Tell glibc to take the memory of all threads to come from one heap; False with another C library.

    A daemon has ten threads, which wait most of the time; with heaps of their own they kept 15 to 18 MB.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and bool(mallopt(_ARENA_MAX, 1))


def give_back() -> None:
    """Give freed memory back to the system, once something large was done that is not repeated."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library; None where it is another library, or another system."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
