"""Energy traces of MLPerf Tiny v1.2: joules of six boards at 1 kHz, and the official joules of their windows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import DATASETS, require

HEADER = 0xF1
PREFIX = "mlperf-tiny-"
WINDOW = re.compile(r"window (\d+) at time [\d.]+ for [\d.]+ sec\.:.*?Energy\s+:\s+([\d.]+) uJ", re.DOTALL)


@dataclass(frozen=True)
class Trace:
    name: str
    path: Path
    rate_hz: float
    energy_uj: NDArray[np.float32]
    """Of each sample."""
    official: tuple[tuple[float, float, float], ...]
    """Begin and end of a window in seconds, and its official microjoules."""

    def power_uw(self, sample: int) -> int:
        """Mean power over a sample."""
        return round(float(self.energy_uj[sample]) * self.rate_hz)

    def between_uj(self, begin_ns: int, end_ns: int) -> float:
        """Energy between two moments of the trace, which begins again where it ends; within a sample power is even."""
        total = np.concatenate([[0.0], np.cumsum(self.energy_uj, dtype=np.float64)])

        def until(at_ns: int) -> float:
            turns, rest = divmod(at_ns * self.rate_hz / 1e9, len(self.energy_uj))
            return float(turns * total[-1] + np.interp(rest, np.arange(len(total)), total))

        return until(end_ns) - until(begin_ns)


def names() -> tuple[str, ...]:
    return tuple(
        each.name.removeprefix(PREFIX).removesuffix("-energy")
        for each in DATASETS
        if each.name.startswith(PREFIX) and each.name.endswith("-energy")
    )


def load(name: str) -> Trace:
    """Raises DataError where the files are missing."""
    energy, edges, results = (
        require(f"{PREFIX}{name}-{part}") for part in ("energy", "timestamps", "results")
    )
    return read(name, energy, edges, results)


def read(name: str, energy: Path, edges: Path, results: Path) -> Trace:
    raw = energy.read_bytes()
    if not raw or raw[0] != HEADER:
        raise ValueError(f"{energy} begins with {raw[:1]!r}; an energy trace begins with {HEADER:#x}")
    at_s = json.loads(edges.read_text(encoding="ascii"))
    return Trace(
        name=name,
        path=energy,
        rate_hz=float(np.frombuffer(raw[1:5], "<f4")[0]),
        energy_uj=np.frombuffer(raw[5:], "<f4"),
        official=tuple(
            (at_s[int(window) - 1], at_s[int(window)], float(energy_uj))
            for window, energy_uj in WINDOW.findall(results.read_text(encoding="utf-8"))
        ),
    )
