"""Memory that a process with large tensors keeps."""

from __future__ import annotations

import ctypes

KEEP_BYTES = 2**30
"""Freed memory up to this stays with the process."""
TOP_PAD_BYTES = 2**26
"""Taken from the system at a time."""
_LARGEST_THRESHOLD_BYTES = 2**25
"""What glibc before 2.35 takes as a threshold of separate mappings; it refuses more."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Names of mallopt(3)."""


def keep_memory() -> bool:
    """Tell glibc to keep freed memory in this process; False with another C library, where nothing happens.

    Tensors come and go with every batch, and parameters of some megabytes with every round: page faults on fresh memory
    cost more than the copies themselves.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    large = mallopt(_MMAP_THRESHOLD, KEEP_BYTES) or mallopt(_MMAP_THRESHOLD, _LARGEST_THRESHOLD_BYTES)
    return bool(large and mallopt(_TRIM_THRESHOLD, KEEP_BYTES) and mallopt(_TOP_PAD, TOP_PAD_BYTES))
