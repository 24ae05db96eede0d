"""Loads of a calibration: busy cores, and a task's own work."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge_node.calibration.reading import CalibrationError
from edge_node.tasks.workload import TaskWorkload, untrained_parameters
from edge_node.workload import Arrays
from protos.messages.terms import Stage

MODULE = "edge_node.calibration.burn"
BATCHES = 16
"""Different batches that a task works on in turn."""


def core_numbers() -> list[int]:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def busy(cores: list[int]) -> Iterator[None]:
    """One process on each of ``cores``, busy with nothing; all of them work when the block begins. Raises
    CalibrationError where one does not start."""
    burning = [
        subprocess.Popen(
            [sys.executable, "-m", MODULE, str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        for core in cores
    ]
    try:
        for core, process in zip(cores, burning, strict=True):
            assert process.stdout
            with process.stdout:
                if not process.stdout.readline():
                    raise CalibrationError(f"the load of core {core} did not start; look for its error above")
        yield
    finally:
        for process in burning:
            assert process.stdin
            process.stdin.close()
        for process in burning:
            process.wait()


class Done(NamedTuple):
    """One piece of work."""

    flop: float
    """Counted operations."""
    seconds: float
    """Of wall time."""
    cpu_s: float
    """Of CPU time, of all threads."""


class TaskLoad:
    """Batches of one task and stage, one after the other. ``batch()`` does one and returns its counted operations, the
    seconds it took, and those of CPU time of all threads of this process meanwhile."""

    def __init__(self, workload: TaskWorkload, stage: Stage, seed: int) -> None:
        self._workload, self._stage = workload, stage
        self._parameters = untrained_parameters(workload.config.name, seed)
        self._batches = [workload.batch(k, stage) for k in range(BATCHES)]
        self._done = 0

    def batch(self) -> Done:
        batch = self._batches[self._done % BATCHES]
        self._done += 1
        begun, begun_cpu = time.perf_counter(), time.process_time()
        flop = self._work(batch)
        return Done(flop, time.perf_counter() - begun, time.process_time() - begun_cpu)

    def _work(self, batch: Arrays) -> float:
        if self._stage is Stage.APPLICATION:
            return self._workload.infer(self._parameters, [batch]).flop
        return self._workload.train(self._parameters, [batch], {}).flop


Work = Callable[[], Done]
"""Does one piece of work."""
