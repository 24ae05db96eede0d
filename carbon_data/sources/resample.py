"""Means of a piecewise-constant series over intervals of any length: the one place where steps are converted.

An hourly value holds for its whole hour (left-closed). An interval inside an hour takes that hour's value;
one that covers several, or parts of them, takes their time-weighted mean, so that energy times intensity
adds up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from carbon_data.types import DataError, require_utc

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LONGEST_SPAN = timedelta(days=36_525)
MAX_INTERVALS = 1_000_000
"""Requests above this are refused as a mistake (for example a step of microseconds)."""


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact."""
    return (moment - EPOCH) // MICROSECOND


def check_request(start: datetime, step: timedelta, count: int) -> datetime:
    """``start`` in UTC, when start, step and count make sense together; DataError otherwise."""
    begin = require_utc(start)
    if step <= timedelta(0):
        raise DataError(f"step is {step}; allowed is a positive duration")
    if not 1 <= count <= MAX_INTERVALS:
        raise DataError(f"count is {count}; allowed is 1 to {MAX_INTERVALS:,} intervals")
    if step > LONGEST_SPAN / count:
        raise DataError(f"{count} intervals of {step} are more than {LONGEST_SPAN.days} days; ask for less")
    try:
        _ = begin + count * step
    except OverflowError as error:
        raise DataError(
            f"{count} intervals of {step} from {begin.isoformat()} end beyond the calendar"
        ) from error
    return begin


def covering(
    start: datetime, step: timedelta, count: int, grid: timedelta, origin: datetime = EPOCH
) -> tuple[datetime, int]:
    """First grid point and number of grid cells (of length ``grid``, aligned to ``origin``) covering a
    request.
    """
    first = (start - origin) // grid
    last = -((origin - (start + count * step)) // grid)
    return origin + first * grid, last - first


def interval_means(
    values: NDArray[np.float64],
    values_start: datetime,
    grid: timedelta,
    start: datetime,
    step: timedelta,
    count: int,
) -> NDArray[np.float64]:
    """(count,) time-weighted means of ``values`` (each holding for ``grid`` from ``values_start``) over the
    intervals.

    The values must cover the request (see ``covering``); exact to rounding, and without rounding where
    steps align.
    """
    grid_us, step_us = grid // MICROSECOND, step // MICROSECOND
    offset_us = (start - values_start) // MICROSECOND
    if offset_us % grid_us == 0 and step_us == grid_us:
        first = offset_us // grid_us
        return np.array(values[first : first + count], dtype=np.float64)
    edges = offset_us + step_us * np.arange(count + 1, dtype=np.int64)
    cells = grid_us * np.arange(edges[0] // grid_us + 1, -(-edges[-1] // grid_us), dtype=np.int64)
    cuts = np.union1d(edges, cells)
    lengths = np.diff(cuts).astype(np.float64)
    pieces = values[cuts[:-1] // grid_us] * lengths
    starts = np.searchsorted(cuts, edges[:-1])
    single = np.diff(np.append(starts, cuts.size - 1)) == 1
    means = np.add.reduceat(pieces, starts) / float(step_us)
    means[single] = values[cuts[starts[single]] // grid_us]
    return means
