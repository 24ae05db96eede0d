"""What reads the joules of a window: a sensor, the CPU time of the server's processes, or the server itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import psutil

from carbon_data.types import Provenance
from edge_node.config import BoardConfig
from edge_node.meters.base import MeterError
from edge_node.meters.process_time import process_cpu_s
from edge_node.meters.sampling.limits import Limits, limits_of
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sources.registry import SOURCES
from experiments.errors import UsageError
from experiments.probe.joules import Joules
from experiments.probe.server import ModelServer
from experiments.probe.tensorrt_llm import TENSORRT_LLM, TensorRtMeter

MICRO = 1e6
CPU_TIME = "cpu-time"


class ProbeMeter(Protocol):
    spec: str
    provenance: Provenance
    counts_idle: bool
    """Whether what the machine draws at rest is in its readings."""

    def open(self) -> Callable[[], Joules]:
        """A window begins; what comes back ends it. Raises MeterError there where the reading is missing."""
        ...

    def stop(self) -> None: ...


class SensorMeter:
    """A sensor as in ``detabed list meters``: all that the machine draws."""

    counts_idle = True

    def __init__(self, spec: str, limits: Limits) -> None:
        self.spec = spec
        self._sampler = Sampler(spec, limits)
        self.provenance = self._sampler.kind.provenance

    def open(self) -> Callable[[], Joules]:
        begin = self._sampler.edge()

        def close() -> Joules:
            reading = self._sampler.window(begin, self._sampler.edge())
            metered = reading.metered
            half_j = None if metered.half_width_uj is None else metered.half_width_uj / MICRO
            return Joules(reading.energy_uj / MICRO, half_j, reading.duration_ns / 1e9)

        return close

    def stop(self) -> None:
        self._sampler.stop()


class CpuTimeMeter:
    """CPU seconds of a process on this machine and of those it started, at the board's watts for one busy core:
    modelled, and without what the machine draws at rest."""

    provenance = Provenance.MODELLED
    counts_idle = False

    def __init__(self, pid: int, board: BoardConfig) -> None:
        self.spec = f"{CPU_TIME}:{pid}"
        self._pid = pid
        self.watts_per_core = (board.busy_w - board.static_w) / (os.cpu_count() or 1)
        self._cpu_s()

    def _cpu_s(self) -> dict[int, float]:
        try:
            children = psutil.Process(self._pid).children(recursive=True)
            found = {self._pid: process_cpu_s(self._pid)}
        except (psutil.Error, OSError) as error:
            raise MeterError(f"there is no process {self._pid} on this machine ({error})") from error
        for child in children:
            with contextlib.suppress(OSError):  # it has ended meanwhile
                found[child.pid] = process_cpu_s(child.pid)
        return found

    def open(self) -> Callable[[], Joules]:
        before, begun_s = self._cpu_s(), time.perf_counter()

        def close() -> Joules:
            after = self._cpu_s()
            cpu_s = sum(spent_s - before.get(pid, 0.0) for pid, spent_s in after.items())
            return Joules(cpu_s * self.watts_per_core, None, time.perf_counter() - begun_s)

        return close

    def stop(self) -> None:
        """Nothing to stop."""


WRONG_UNIT = 1e3
"""A reading in a thousandth or a thousand of its unit is that many times off."""
DOUBT = ": is the sensor's unit right, and --max-watts what the server's machine or GPU can draw?"
BOARD_DOUBT = (
    ", which the board of --board does not draw: give the server's own board, or --max-watts, what its machine or GPU "
    "can draw at most"
)


def limits_up_to(watts: float) -> Limits:
    """What can be read of a machine that draws at most ``watts``."""
    return Limits(low_uw=max(1, round(watts * MICRO / WRONG_UNIT)), high_uw=round(watts * MICRO), doubt=DOUBT)


def probe_meter(
    spec: str, board: BoardConfig, server: ModelServer | None = None, max_watts: float | None = None
) -> ProbeMeter:
    """The meter of ``NAME:ARGUMENT`` for requests to ``server`` (None: to none that it could be
    asked of). ``max_watts``: what a sensor can read at most; None: by the board's profile. Raises UsageError where it
    cannot read here."""
    name, _, argument = spec.partition(":")
    try:
        if name == TENSORRT_LLM:
            if server is None:
                raise UsageError(
                    f"meter {spec!r} is a TensorRT-LLM server's own: `detabed tree probe` asks it"
                )
            if argument:
                raise UsageError(
                    f"meter {spec!r}: write {TENSORRT_LLM} alone; it is that of the server that is asked"
                )
            return TensorRtMeter(server)
        if name == CPU_TIME:
            if not argument.isdecimal():
                raise UsageError(
                    f"meter {spec!r}: write {CPU_TIME}:PID with the server's process id, as ps shows it"
                )
            return CpuTimeMeter(int(argument), board)
        if name not in SOURCES:
            raise UsageError(
                f"meter {spec!r} is none that reads a server: choose {CPU_TIME}:PID, {TENSORRT_LLM}, or a sensor of "
                f"{', '.join(SOURCES)}"
            )
        by_board = replace(limits_of(board), doubt=BOARD_DOUBT)
        return SensorMeter(spec, by_board if max_watts is None else limits_up_to(max_watts))
    except MeterError as error:
        raise UsageError(f"meter {spec!r}: {error}") from error
