"""An answer of a live service: observations and a forecast, checked. Pure.

An answer that holds one impossible value is refused whole: the rest of it deserves no more trust.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from carbon_data.files.http import BadResponseError
from carbon_data.sources.forecast_file import Issue
from carbon_data.sources.resample import EPOCH
from carbon_data.types import HIGHEST_INTENSITY_G_PER_KWH, Signal

HIGHEST_MARGINAL_G_PER_KWH = 3000.0
"""Highest accepted marginal value ([C]: the least efficient steam plant on lignite, direct, is at about 1,800)."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Intensity of one interval, as a service states it."""

    start: datetime
    interval: timedelta
    g_per_kwh: float
    estimated: bool = False
    """By the service's own account."""

    @property
    def end(self) -> datetime:
        """End of the interval."""
        return self.start + self.interval


@dataclass(frozen=True, slots=True)
class Answer:
    """Observations, oldest first, and the newest forecast; None where the service offers none."""

    observations: tuple[Observation, ...]
    forecast: Issue | None = None
    no_forecast: str | None = None
    """Why a forecast that was asked for did not come."""


def g_per_kwh(zone: str, value: Any, moment: datetime, signal: Signal, factor: float = 1.0) -> float:
    """``value`` times ``factor``, in g/kWh. Raises BadResponseError for what no grid can have."""
    highest = HIGHEST_MARGINAL_G_PER_KWH if signal is Signal.MARGINAL else HIGHEST_INTENSITY_G_PER_KWH
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not usable or not 0 <= value * factor <= highest:
        raise BadResponseError(
            f"zone {zone}: intensity {value!r} at {moment.isoformat()}; allowed are numbers from 0 to "
            f"{highest / factor:g}; the whole answer is refused"
        )
    return float(value) * factor


def moment_of(zone: str, text: Any) -> datetime:
    """A time stamp with its zone, in UTC. Raises BadResponseError."""
    try:
        moment = datetime.fromisoformat(text)
        return EPOCH + (moment - EPOCH)
    except (TypeError, ValueError) as error:
        raise BadResponseError(f"zone {zone}: {text!r:.60} is no time stamp with a time zone") from error


def rows_of(zone: str, document: Any, *path: str) -> list[Any]:
    """The list at ``path`` of a document. Raises BadResponseError where there is none."""
    found = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise BadResponseError(
            f"zone {zone}: the answer has no list of objects called {'.'.join(path)}: {str(document)[:80]}"
        )
    return found


def ordered(zone: str, found: Iterable[Observation]) -> tuple[Observation, ...]:
    """Observations by time, each interval once. Raises BadResponseError where an interval has two values."""
    by_start: dict[datetime, Observation] = {}
    for each in found:
        known = by_start.setdefault(each.start, each)
        if known.g_per_kwh != each.g_per_kwh:
            raise BadResponseError(
                f"zone {zone}: {each.start.isoformat()} occurs twice in the answer, with {known.g_per_kwh:g} and "
                f"{each.g_per_kwh:g} g/kWh"
            )
    return tuple(by_start[start] for start in sorted(by_start))


def forecast_of(zone: str, issued: datetime, found: Iterable[Observation]) -> Issue | None:
    """A forecast from expected values; it ends before the first interval that is absent."""
    values = ordered(zone, found)
    if not values:
        return None
    step = values[0].interval
    line = [values[0].g_per_kwh]
    for before, after in pairwise(values):
        if after.start - before.start != step:
            break
        line.append(after.g_per_kwh)
    return Issue(zone, issued, values[0].start, step, np.array(line))
