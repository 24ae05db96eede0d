"""A recording of powers, played in real time from its beginning: ``recording:PATH``, or ``recording:PATH,repeat``.

Two forms: CSV with the columns ``at_s,power_w``, where a power holds until the next row and the last row ends the
recording; and the energy traces of EEMBC's and MLPerf Tiny's tools (one byte 0xF1, a little-endian float32 of samples
per second, then float32 microjoules of each sample).
"""

from __future__ import annotations

import array
import csv
import itertools
import struct
import sys
import time
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from edge_node.meters.sources.source import SourceError
from protos.messages.terms import MeterKind

HEADER = 0xF1
COLUMNS = ["at_s", "power_w"]
REPEAT = ",repeat"
NS_PER_S, UW_PER_W = 1_000_000_000, 1_000_000


class Recording:
    kind = MeterKind.POWER
    rate_hz = 1000.0
    resolution = 1
    steady = True
    """A power holds until the next row."""

    def __init__(
        self, steps: list[tuple[int, int]], repeat: bool, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """``steps``: begin in nanoseconds and microwatts, ascending; the last one is the end."""
        if len(steps) < 2 or steps[0][0] != 0 or any(a[0] >= b[0] for a, b in itertools.pairwise(steps)):
            raise SourceError("a recording begins at 0 s, rises in time and has an end")
        self._at_ns = [at_ns for at_ns, _ in steps]
        self._power_uw = [power_uw for _, power_uw in steps]
        self._repeat, self._clock, self._begun_ns = repeat, clock, clock()

    def read(self) -> int:
        at_ns, end_ns = self._clock() - self._begun_ns, self._at_ns[-1]
        if at_ns >= end_ns and not self._repeat:
            raise SourceError(f"the recording ended after {end_ns / NS_PER_S:g} s")
        return self._power_uw[bisect_right(self._at_ns, at_ns % end_ns) - 1]

    def close(self) -> None:
        """Nothing stays open."""


def open_recording(argument: str) -> Recording:
    path = Path(argument.removesuffix(REPEAT))
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(f"recording {path} cannot be read: {error}") from error
    steps = _trace(path, raw) if raw[:1] == bytes([HEADER]) else _table(path, raw)
    return Recording(steps, argument.endswith(REPEAT))


def _trace(path: Path, raw: bytes) -> list[tuple[int, int]]:
    if len(raw) % 4 != 1 or len(raw) < 9:
        raise SourceError(f"{path} is no whole energy trace: {len(raw)} bytes")
    (rate_hz,) = struct.unpack_from("<f", raw, 1)
    energies = array.array("f", raw[5:])
    if sys.byteorder == "big":
        energies.byteswap()
    steps = [(round(k * NS_PER_S / rate_hz), round(energy * rate_hz)) for k, energy in enumerate(energies)]
    return [*steps, (round(len(energies) * NS_PER_S / rate_hz), 0)]


def _table(path: Path, raw: bytes) -> list[tuple[int, int]]:
    try:
        rows = list(csv.reader(raw.decode("ascii").splitlines()))
        if not rows or rows[0] != COLUMNS:
            raise SourceError(f"{path} begins with {rows[:1]}; write the columns {','.join(COLUMNS)}")
        return [
            (round(float(at_s) * NS_PER_S), round(float(power_w) * UW_PER_W)) for at_s, power_w in rows[1:]
        ]
    except (ValueError, csv.Error) as error:
        raise SourceError(f"{path} is no table of {','.join(COLUMNS)}: {error}") from error
