"""CPU time of another process on this machine."""

from __future__ import annotations

import time

CPU_CLOCK = 2
"""CPUCLOCK_SCHED of the kernel: a process' CPU time, threads that have ended included."""


def process_cpu_s(pid: int) -> float:
    """CPU seconds of a process on this machine so far; of one that has ended until its parent has asked for its exit
    code. On Linux. Raises OSError where there is none."""
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)
