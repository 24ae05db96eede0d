"""Intervals of metered joules, measured on real traces: do they cover the truth, and are they narrow?

Claim:   replayed traces of MLPerf Tiny at their full rate give the official joules to 2e-4; sampled at 100, 10 and
         1 Hz, the 95 % interval of every window's joules covers the truth in at least 94 % of windows; the median half
         width of windows of 1 s is at most 1 %, 8 % and 40 %. A sampler of 1 kHz takes at least 990 samples a second
         with at most 5 % of a core, and measures a square wave of 50 ms to 2 % in each of ten runs. On the wall clock,
         20 slots of 2 s drift by at most 50 ms in all, measured joules are within 1 % of power times time, and harvest
         is of the slot's duration; a forced overrun is booked by each policy; clocks off by 5 s leave the order of
         slots unchanged.
Cost:    --quick 15 seconds of CPU time and as much of waiting; otherwise a minute more: 40 windows
         of every trace in real time, all six at once, through samplers of 1,000, 100, 10 and 1 Hz.
Command: python -m benchmarks.meters [--quick] [--json]

Truth is the sum of a trace's samples, each the energy of a millisecond. A sampler of a lower rate reads the power of
the milliseconds that its schedule picks (edge_node/meters/sampling/schedule.py). ``regular``: the same with readings at
equal distances, which the sampler does not do below 100 Hz. Coverage is counted over all windows of all traces and
``TURNS`` seeds of the schedule; ``worst_trace`` is the least of one trace. ``summed``: all windows of 1 s of a trace
added up, their intervals combined as in the tables of a run (carbon_data/intervals.py).
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import _traces, _wall
from benchmarks._command import against, measuring, parser, show
from benchmarks._traces import Trace
from carbon_data.intervals import of_windows
from edge_node.meters.sampling.integral import Integral, Mark
from edge_node.meters.sampling.limits import Limits
from edge_node.meters.sampling.reading import Reading
from edge_node.meters.sampling.sampler import Sampler
from edge_node.meters.sampling.schedule import Schedule

NS_PER_S = 1_000_000_000
RATES_HZ = (100, 10, 1)
WINDOW_S = 1.0
TURNS = {100: 2, 10: 4, 1: 12}
"""Seeds of the schedule, or phases of equal distances, by rate."""
COVERED = 0.94
HALF_WIDTH = {100: 0.01, 10: 0.08, 1: 0.40}
OFFICIAL = 2e-4
NO_LIMITS = Limits(low_uw=0, high_uw=10**12)
"""The boards of the traces have no profile."""
SAMPLES_PER_S, CORE = 990.0, 0.05
WAVE, WAVE_RUNS, WAVE_S, WAVE_W = "at_s,power_w\n0,2.2\n0.025,4.6\n0.05,0\n", 10, 1.0, 3.4
WAVE_ERROR = 0.02
REAL_S, REAL_RATES_HZ = 40, (1000, 100, 10, 1)
REAL_TIME = "traces in real time through sampler processes"
DEFERRED = ("/metrics joules equal the ledger's exactly",)
WALL_CLOCK = (
    "wall clock, 20 slots of 2 s: drift at most 50 ms in all, measured joules within 1 % of power times time, harvest "
    "duration equal to the slot's"
)
DRIFT_S, JOULES_ERROR, HARVEST_J = 0.05, 0.01, 1e-6
"""Harvest is booked in whole microjoules: equal is to one of them."""
POLICIES = 3


def replay(trace: Trace, rate_hz: float, at: Iterator[int], edges_ns: list[int]) -> Iterator[Reading]:
    """Readings of the windows between ``edges_ns`` from the samples that the times ``at`` pick."""
    integral, later = Integral(rate_hz), deque(edges_ns)
    marks: deque[Mark] = deque()
    step_ns, before = NS_PER_S / trace.rate_hz, -1
    for at_ns in at:
        sample = int(at_ns / step_ns)
        if sample >= len(trace.energy_uj):
            return
        if sample == before:
            continue
        before, stamp_ns = sample, round((sample + 0.5) * step_ns)
        # Edges are set before any sample that may lie behind them.
        while later and later[0] <= stamp_ns:
            marks.append(integral.mark(later.popleft()))
        integral.add(stamp_ns, trace.power_uw(sample))
        while len(marks) > 1 and marks[1].as_end:
            yield integral.close(marks[0], marks[1])
            integral.forget(marks.popleft())


def random_times(rate_hz: float, seed: int) -> Iterator[int]:
    schedule = Schedule(0, rate_hz, seed)
    while True:
        yield schedule.next_ns()


def equal_times(rate_hz: float, phase: float) -> Iterator[int]:
    """``phase``: of a period, at which the first reading is."""
    count = 0
    while True:
        yield int((count + phase) * NS_PER_S / rate_hz)
        count += 1


def against_official(trace: Trace) -> float:
    """Largest relative difference to the official joules, at full rate."""
    edges = [round(edge * NS_PER_S) for begin, end, _ in trace.official for edge in (begin, end)]
    found = list(replay(trace, trace.rate_hz, equal_times(trace.rate_hz, 0.0), edges))[::2]
    return max(
        abs(reading.energy_uj / official - 1)
        for reading, (_, _, official) in zip(found, trace.official, strict=True)
    )


def windows(trace: Trace, rate_hz: float, at: Iterator[int], window_s: float) -> list[tuple[float, float]]:
    """Relative error and half width of every window that lies within the samples."""
    total = np.concatenate([[0.0], np.cumsum(trace.energy_uj, dtype=np.float64)])
    first_s = 2.0 / rate_hz
    count = int((len(total) - 1) / trace.rate_hz / window_s - 2 * first_s / window_s)
    edges_s = [first_s + k * window_s for k in range(count + 1)]
    found = []
    readings = replay(trace, rate_hz, at, [round(edge * NS_PER_S) for edge in edges_s])
    for edge_s, reading in zip(edges_s, readings, strict=False):
        begin, end = round(edge_s * trace.rate_hz), round((edge_s + window_s) * trace.rate_hz)
        truth = float(total[end] - total[begin])
        found.append((abs(reading.energy_uj - truth) / truth, reading.half_width_uj / truth))
    return found


def summed(trace: Trace, rate_hz: float, at: Iterator[int]) -> tuple[float, float]:
    """Relative error and half width of the sum of the windows of 1 s."""
    total = np.concatenate([[0.0], np.cumsum(trace.energy_uj, dtype=np.float64)])
    first_s = 2.0 / rate_hz
    count = int((len(total) - 1) / trace.rate_hz / WINDOW_S - 2 * first_s / WINDOW_S)
    edges_s = [first_s + k * WINDOW_S for k in range(count + 1)]
    readings = list(replay(trace, rate_hz, at, [round(edge * NS_PER_S) for edge in edges_s]))
    begin, end = (round(edge * trace.rate_hz) for edge in (edges_s[0], edges_s[0] + len(readings) * WINDOW_S))
    truth = float(total[end] - total[begin])
    half_uj, _ = of_windows((reading.half_width_uj, reading.bias_uj) for reading in readings)
    return abs(sum(reading.energy_uj for reading in readings) / truth - 1), half_uj / truth


def _sums(traces: list[Trace], rate: int) -> dict[str, float]:
    found = [
        summed(
            trace, rate, equal_times(rate, turn / TURNS[rate]) if rate >= 100 else random_times(rate, turn)
        )
        for trace in traces
        for turn in range(TURNS[rate])
    ]
    return {
        f"summed_covered_{rate}_hz": statistics.fmean(error <= half for error, half in found),
        f"summed_median_half_width_{rate}_hz": statistics.median(half for _, half in found),
    }


def wave_runs() -> dict[str, float]:
    """The 50 ms square wave through a sampler of 1 kHz, ten runs."""
    errors, rates, shares = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder) / "wave.csv").write_text(WAVE)
        sampler = Sampler(f"recording:{path},repeat", NO_LIMITS)
        for _ in range(WAVE_RUNS):
            begun_s, begin = sampler.cpu_s, sampler.edge()
            time.sleep(WAVE_S)
            reading = sampler.window(begin, sampler.edge())
            passed_s = reading.duration_ns / NS_PER_S
            errors.append(abs(reading.energy_uj / (WAVE_W * 1e6 * passed_s) - 1))
            rates.append(reading.rate_hz)
            shares.append((sampler.cpu_s - begun_s) / passed_s)
        sampler.stop()
    return {
        "sampler_samples_per_s": statistics.median(rates),
        "sampler_samples_per_s_least": min(rates),
        "sampler_share_of_a_core": statistics.median(shares),
        "square_wave_largest_error": max(errors),
    }


def real_time(traces: list[Trace]) -> dict[str, float]:
    """Windows of 1 s of every trace, as it plays, through a sampler of every rate."""
    playing: list[tuple[int, Trace, Sampler]] = []
    for trace in traces:
        for rate in REAL_RATES_HZ:
            playing.append((rate, trace, Sampler(f"recording:{trace.path},repeat", NO_LIMITS, float(rate))))
    found: dict[int, list[tuple[float, float]]] = {rate: [] for rate in REAL_RATES_HZ}
    begins = [sampler.edge() for _, _, sampler in playing]
    for _ in range(REAL_S):
        time.sleep(WINDOW_S)
        for place, (rate, trace, sampler) in enumerate(playing):
            begin, end = begins[place], sampler.edge()
            reading = sampler.window(begin, end)
            begins[place] = end
            truth = trace.between_uj(begin.at_ns - sampler.opened_ns, end.at_ns - sampler.opened_ns)
            found[rate].append((abs(reading.energy_uj - truth) / truth, reading.half_width_uj / truth))
    for _, _, sampler in playing:
        sampler.stop()
    figures = {}
    for rate, windows_of in found.items():
        figures[f"real_time_covered_{rate}_hz"] = statistics.fmean(
            error <= half for error, half in windows_of
        )
        figures[f"real_time_median_half_width_{rate}_hz"] = statistics.median(half for _, half in windows_of)
    return figures


def measure(say: Callable[[str], None], quick: bool) -> dict[str, Any]:
    traces = [_traces.load(name) for name in _traces.names()]
    say("official joules")
    figures: dict[str, float] = {"official_difference": max(map(against_official, traces))}
    say("square wave")
    figures |= wave_runs()
    for rate in RATES_HZ:
        say(f"{rate} Hz")
        for regular in (False, True):
            for whole in (False, True):
                figures |= _covered(traces, rate, regular, whole)
        figures |= _sums(traces, rate)
    say("overruns, and clocks off by 5 s")
    with tempfile.TemporaryDirectory() as folder:
        figures |= _wall.overruns(Path(folder)) | _wall.offset_clocks(Path(folder))
        if not quick:
            say(WALL_CLOCK)
            figures |= _wall.schedule(Path(folder) / "schedule")
    if not quick:
        say(REAL_TIME)
        figures |= real_time(traces)
    coverage = {f"covered_{rate}_hz_{window}": COVERED for rate in RATES_HZ for window in ("1_s", "whole")}
    widths = {f"median_half_width_{rate}_hz_1_s": goal for rate, goal in HALF_WIDTH.items()}
    goals = (
        against({"official_difference": OFFICIAL}, figures, "<=")
        | against(coverage, figures, ">=")
        | against(widths, figures, "<=")
        | against({"sampler_samples_per_s": SAMPLES_PER_S}, figures, ">=")
        | against({"sampler_share_of_a_core": CORE, "square_wave_largest_error": WAVE_ERROR}, figures, "<=")
        | against({"overrun_policies_booked": POLICIES}, figures, ">=")
        | against({"clocks_off_by_5_s_out_of_order": 0}, figures, "<=")
    )
    if not quick:
        wall = {"wall_drift_s": DRIFT_S, "wall_joules_largest_error": JOULES_ERROR}
        goals |= against({**wall, "wall_harvest_largest_difference_j": HARVEST_J}, figures, "<=")
    return {
        "figures": figures,
        "goals": {GOAL_OF[name]: goal for name, goal in goals.items()},
        "deferred": [*DEFERRED, *([REAL_TIME, WALL_CLOCK] if quick else [])],
    }


COVERS = "the reported 95 % interval covers the truth in at least 94 % of windows"
GOAL_OF = {
    "sampler_samples_per_s": "1 kHz sampler at least 990 samples/s",
    "sampler_share_of_a_core": "1 kHz sampler at most 5 % of a core",
    "square_wave_largest_error": "50 ms square wave within 2 % over ten runs",
    "wall_drift_s": "wall clock, 20 slots of 2 s: drift at most 50 ms in all",
    "wall_joules_largest_error": "wall clock, 20 slots of 2 s: measured joules within 1 % of power times time",
    "wall_harvest_largest_difference_j": "wall clock, 20 slots of 2 s: harvest duration equal to the slot's",
    "overrun_policies_booked": "a forced overrun booked by each policy",
    "clocks_off_by_5_s_out_of_order": "clocks off by 5 s leave the order of slots unchanged",
    "official_difference": "the official joules reproduced to 2e-4 at full rate",
    **{
        f"covered_{rate}_hz_{window}": f"{COVERS}: {of}, {rate} Hz"
        for rate in RATES_HZ
        for window, of in (("1_s", "windows of 1 s"), ("whole", "whole traces"))
    },
    **{
        f"median_half_width_{rate}_hz_1_s": f"median half-width of 1 s windows at most {100 * goal:g} % at {rate} Hz"
        for rate, goal in HALF_WIDTH.items()
    },
}
"""The issue's words for each goal, by its figure."""


def _covered(traces: list[Trace], rate: int, regular: bool, whole: bool) -> dict[str, float]:
    by_trace = []
    turns = TURNS[rate] * (2 if whole and rate < 100 else 1)
    for trace in traces:
        length_s = len(trace.energy_uj) / trace.rate_hz
        window_s = length_s - 4.0 / rate - 0.01 if whole else WINDOW_S
        found = []
        for turn in range(turns):
            at = equal_times(rate, turn / turns) if regular else random_times(rate, turn)
            found += windows(trace, rate, at, window_s)
        by_trace.append(found)
    every = [window for found in by_trace for window in found]
    shares = [statistics.fmean(error <= half for error, half in found) for found in by_trace]
    name = f"{rate}_hz_{'whole' if whole else '1_s'}" + ("_regular" if regular else "")
    return {
        f"covered_{name}": statistics.fmean(error <= half for error, half in every),
        f"covered_{name}_worst_trace": min(shares),
        f"median_half_width_{name}": statistics.median(half for _, half in every),
        f"p95_error_{name}": float(np.quantile([error for error, _ in every], 0.95)),
    }


if __name__ == "__main__":
    options = parser(__doc__, "leave out the traces in real time").parse_args()
    show(measuring(lambda say: measure(say, options.quick)), options.json)
