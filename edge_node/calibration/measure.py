"""The steps of a calibration, one after the other, each read by the node's meter."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge_node.calibration.load import Done, Work, busy
from edge_node.calibration.reading import CalibrationError, Power, power_of
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sampling.student import quantile_95

IDLE, IDLE_AGAIN = "idle", "idle again"
SETTLE_S = 1.0
"""A load runs this long before its window begins: fans, clocks and a slow sensor follow."""
TICK_S = 0.2
Tell = Callable[[str, float], None]
"""Told which step runs, and how many of its seconds have passed since it was told last."""


def core_step(count: int) -> str:
    return f"{count} core{'s' if count > 1 else ''} busy"


def step_names(cores: int, works: Sequence[str]) -> list[str]:
    return [IDLE, *(core_step(count) for count in range(1, cores + 1)), *works, IDLE_AGAIN]


def planned_s(cores: int, works: Sequence[str], seconds: float) -> float:
    """How long ``measure`` takes."""
    return len(step_names(cores, works)) * (SETTLE_S + seconds)


def measure(
    sampler: Sampler, cores: list[int], works: Mapping[str, Work], seconds: float, tell: Tell
) -> dict[str, Power]:
    """Powers by step: idle, one busy core after the other, each of ``works``, idle again. Raises CalibrationError,
    named after the step, where the meter has no reading."""
    found = {}
    for step in step_names(len(cores), list(works)):
        burning = next((k for k in range(1, len(cores) + 1) if step == core_step(k)), 0)
        with busy(cores[:burning]) if burning else contextlib.nullcontext():
            try:
                found[step] = _step(sampler, step, works.get(step), seconds, tell)
            except MeterError as error:
                raise CalibrationError(f"{step}: {error}") from error
    return found


def measure_idle(sampler: Sampler, seconds: float, tell: Tell) -> Power:
    """Idle power alone. Raises CalibrationError."""
    try:
        return _step(sampler, IDLE, None, seconds, tell)
    except MeterError as error:
        raise CalibrationError(f"{IDLE}: {error}") from error


def _step(sampler: Sampler, step: str, work: Work | None, seconds: float, tell: Tell) -> Power:
    _run(step, work, SETTLE_S, tell)
    begin = sampler.edge()
    done = _run(step, work, seconds, tell)
    power = power_of(step, sampler.window(begin, sampler.edge()))
    if work is None:
        return power
    flop_per_s, half = speed(done)
    cores = math.fsum(each.cpu_s for each in done) / math.fsum(each.seconds for each in done)
    return replace(power, flop_per_s=flop_per_s, flop_half_width=half, busy_cores=cores)


def _run(step: str, work: Work | None, seconds: float, tell: Tell) -> list[Done]:
    """Work, or wait, for ``seconds``."""
    begun = told = time.monotonic()
    done: list[Done] = []
    while (now := time.monotonic()) - begun < seconds or (work is not None and not done):
        if now - told >= TICK_S:
            tell(step, now - told)
            told = now
        if work is None:
            time.sleep(max(0.0, min(TICK_S, begun + seconds - now)))
        else:
            done.append(work())
    tell(step, time.monotonic() - told)
    return done


def speed(done: Sequence[Done]) -> tuple[float, float | None]:
    """Operations per second of all batches, and half of its 95 % interval from batch to batch (None with one)."""
    total_s = math.fsum(each.seconds for each in done)
    mean = math.fsum(each.flop for each in done) / total_s
    if len(done) < 2:
        return mean, None
    # Errors of a ratio of sums: of each batch's operations less those that the mean speed would have made in its time.
    residuals = [each.flop - mean * each.seconds for each in done]
    error = statistics.stdev(residuals) * math.sqrt(len(done)) / total_s
    return mean, quantile_95(len(done) - 1) * error
