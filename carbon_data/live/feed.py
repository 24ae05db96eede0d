"""What is known of one signal, and what a slot takes from it. Pure: the time is given.

A slot takes the newest observation whose interval has begun. Its age is the time from the interval's end to the slot's
beginning: 0 while the interval lasts. A frozen value never changes, also where the service corrects it later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from carbon_data.live.answer import Answer, Observation
from carbon_data.sources.forecast_file import Issue
from carbon_data.types import DataError

DAY = timedelta(days=1)
KEPT = timedelta(days=8)
"""Observations older than this are forgotten, unless they are the newest."""


class NoValueError(DataError):
    """A slot begins and there is no value that it may use."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ages (seconds) from which a value is stale, and above which it is not used; ``keep``: used all the same, and
    marked as kept."""

    stale_after_s: float
    refuse_after_s: float
    keep: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """Forecast of the slots after a frozen one. ``given_slots`` of its values come from the service, the others are
    persistence: as at the same time of the last day known, else as now."""

    issued: datetime
    g_per_kwh: tuple[float, ...]
    given_slots: int


@dataclass(frozen=True, slots=True)
class Frozen:
    """What one slot takes."""

    observation: Observation
    received: datetime
    age_s: float
    stale: bool
    kept: bool
    expected: Expected


class Feed:
    """One zone of one service. ``step``: how far apart slots are; ``own_forecast`` False: persistence alone."""

    def __init__(self, zone: str, limits: Limits, step: timedelta, own_forecast: bool = True) -> None:
        self._zone, self._limits, self._step, self._own_forecast = zone, limits, step, own_forecast
        self._known: dict[datetime, tuple[Observation, datetime]] = {}
        """By start of the interval, with the time when this value came first."""
        self._forecast: Issue | None = None

    def take(self, answer: Answer, received: datetime) -> None:
        """Take up an answer. What it says of an interval replaces what was known; a forecast replaces older ones."""
        for each in answer.observations:
            known = self._known.get(each.start)
            if known is None or known[0] != each:
                self._known[each.start] = (each, received)
        newest = max(self._known, default=None)
        for start in [start for start in self._known if start < received - KEPT and start != newest]:
            del self._known[start]
        told = answer.forecast
        if told is not None and (self._forecast is None or told.issued >= self._forecast.issued):
            self._forecast = told

    def is_usable(self, at: datetime) -> bool:
        """Whether a slot that begins at ``at`` finds a value."""
        newest = self._newest(at)
        if newest is None:
            return False
        return self._limits.keep or _age_s(newest[0], at) <= self._limits.refuse_after_s

    def freeze(self, at: datetime, slots: int) -> Frozen:
        """What a slot that begins at ``at`` takes, with a forecast of the ``slots`` slots after it. Raises
        NoValueError."""
        newest, limits = self._newest(at), self._limits
        if newest is None:
            raise NoValueError(f"zone {self._zone}: no value has come yet")
        observation, received = newest
        age_s = _age_s(observation, at)
        too_old = age_s > limits.refuse_after_s
        if too_old and not limits.keep:
            raise NoValueError(
                f"zone {self._zone}: the newest value is of {observation.start.isoformat()} to "
                f"{observation.end.isoformat()} and {age_s:.0f} s old; allowed are {limits.refuse_after_s:g} s "
                '(refuse_after_s); set beyond = "keep" to go on with it'
            )
        return Frozen(
            observation,
            received,
            age_s,
            age_s > limits.stale_after_s,
            too_old,
            self._expected(at, slots, observation),
        )

    def _newest(self, at: datetime) -> tuple[Observation, datetime] | None:
        begun = [start for start in self._known if start <= at]
        return self._known[max(begun)] if begun else None

    def _expected(self, at: datetime, slots: int, now: Observation) -> Expected:
        begin, issue = at + self._step, self._forecast
        own = np.empty(0)
        if self._own_forecast and issue is not None and slots:
            own = issue.means(begin, self._step, slots)
        later = [self._as_before(begin + k * self._step, at, now) for k in range(own.size, slots)]
        issued = issue.issued if own.size and issue is not None else at
        return Expected(issued, (*map(float, own), *later), int(own.size))

    def _as_before(self, moment: datetime, at: datetime, now: Observation) -> float:
        """The value at the same time of the last day that is known; the present one where that day is not."""
        days = max(1, -((at - moment) // DAY))
        before = moment - days * DAY
        covering = [each for each, _ in self._known.values() if each.start <= before < each.end]
        return covering[0].g_per_kwh if covering else now.g_per_kwh


def _age_s(observation: Observation, at: datetime) -> float:
    return max(0.0, (at - observation.end).total_seconds())
