"""Selection of a requested period from a trace: gaps and stale values are refused, or repaired by a declared rule and
reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.resample import check_request, covering, interval_means
from carbon_data.sources.trace_file import ZoneTrace
from carbon_data.types import DataError, MissingDataError

_FILL = re.compile(r"interpolate:(\d+(?:\.\d+)?)(min|h)")


@dataclass(frozen=True, slots=True)
class Fill:
    """Rule for gaps: straight line between the values on both sides, for gaps up to ``longest``."""

    longest: timedelta

    @classmethod
    def parse(cls, text: str | None) -> Fill | None:
        """``interpolate:3h`` or ``interpolate:90min``; None means that gaps are errors."""
        if text is None:
            return None
        match = _FILL.fullmatch(text.strip())
        if match is None:
            raise DataError(
                f"fill is {text!r}; allowed are none, or interpolate:<number>h, e.g. interpolate:3h"
            )
        amount = float(match[1])
        return cls(timedelta(hours=amount) if match[2] == "h" else timedelta(minutes=amount))


def cut(
    trace: ZoneTrace,
    start: datetime,
    step: timedelta,
    count: int,
    *,
    fill: Fill | None = None,
    longest_flat: timedelta | None = None,
) -> tuple[datetime, NDArray[np.float64], tuple[str, ...]]:
    """Start in UTC, (count,) means over the request, and notes on every repair.

    Raises MissingDataError outside the trace's period, at a gap that ``fill`` does not close, and where a
    value repeats for longer than ``longest_flat`` (a stale feed repeats its last value).
    """
    begin = check_request(start, step, count)
    end = begin + count * step
    if begin < trace.start or end > trace.end:
        raise MissingDataError(
            f"zone {trace.zone}: asked for {begin.isoformat()} to {end.isoformat()}, the trace has "
            f"{trace.start.isoformat()} to "
            f"{trace.end.isoformat()}; choose a start within it"
        )
    first, cells = covering(begin, step, count, trace.interval, trace.start)
    low = (first - trace.start) // trace.interval
    high = low + cells
    values = trace.values
    notes: list[str] = []
    if np.isnan(values[low:high]).any():
        values, notes = _closed(trace, low, high, fill)
    window = values[low:high]
    if longest_flat is not None:
        _refuse_flat(trace, window, first, longest_flat)
    return begin, interval_means(window, first, trace.interval, begin, step, count), tuple(notes)


def _closed(
    trace: ZoneTrace, low: int, high: int, fill: Fill | None
) -> tuple[NDArray[np.float64], list[str]]:
    """Values with the gaps of the window closed, and notes on the repairs."""
    values = trace.values.copy()
    notes = []
    position = low
    while position < high:
        if not np.isnan(values[position]):
            position += 1
            continue
        left, right = position - 1, position
        while left >= 0 and np.isnan(values[left]):
            left -= 1
        while right < values.size and np.isnan(values[right]):
            right += 1
        since = trace.start + (left + 1) * trace.interval
        length = (right - left - 1) * trace.interval
        gap = f"zone {trace.zone}: no value from {since.isoformat()} for {length}"
        if fill is None:
            raise MissingDataError(
                f'{gap}; choose another period, or allow a repair with fill="interpolate:3h"'
            )
        if left < 0 or right == values.size:
            raise MissingDataError(f"{gap}, at the edge of the trace: there is nothing to interpolate to")
        if length > fill.longest:
            raise MissingDataError(
                f"{gap}, longer than the {fill.longest} that fill allows; choose another period"
            )
        values[left + 1 : right] = np.interp(np.arange(left + 1, right), [left, right], values[[left, right]])
        notes.append(f"{gap}: interpolated between {values[left]:g} and {values[right]:g}")
        position = right
    return values, notes


def _refuse_flat(
    trace: ZoneTrace, window: NDArray[np.float64], first: datetime, longest_flat: timedelta
) -> None:
    """Raise where one value repeats for longer than allowed."""
    length, since = longest_run(window)
    if length * trace.interval > longest_flat:
        raise MissingDataError(
            f"zone {trace.zone}: the value {window[since]:g} repeats for {length * trace.interval} from "
            f"{(first + since * trace.interval).isoformat()}, as a stale feed does (allowed are "
            f"{longest_flat}); choose another "
            "period, or set longest_flat_h higher if the zone really is that steady"
        )


def longest_run(values: NDArray[np.float64]) -> tuple[int, int]:
    """Length and first index of the longest run of equal values."""
    edges = np.flatnonzero(np.diff(values) != 0.0) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.append(starts, values.size))
    index = int(np.argmax(lengths))
    return int(lengths[index]), int(starts[index])
