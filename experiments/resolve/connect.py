"""Every live service of a scenario, asked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from carbon_data.live.feed import Feed, Limits, NoValueError
from carbon_data.live.keys import Keys
from carbon_data.types import DataError
from experiments.errors import UsageError
from experiments.resolve.live import name_of, service_of
from experiments.resolve.resolved import Resolved


@dataclass(frozen=True, slots=True)
class Connected:
    """One signal, whether a slot that began now would find a value, and what the service said."""

    signal: str
    ok: bool
    said: str


def connect(resolved: Resolved, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[Connected]:
    """Ask every live signal of the scenario once. Raises UsageError where there is none."""
    if resolved.live is None:
        raise UsageError(
            '--connect asks live services, and the scenario has none: [intensity] source = "live"'
        )
    keys, step = Keys(), timedelta(seconds=resolved.live.step_s)
    found = []
    for signal in resolved.live.signals:
        limits = Limits(signal.stale_after_s, signal.refuse_after_s, signal.keep)
        feed = Feed(signal.zone, limits, step, resolved.live.own_forecast)
        try:
            answer = service_of(signal, keys).fetch(now())
            feed.take(answer, now())
            said, ok = _said(feed, now(), answer.no_forecast), True
        except NoValueError as error:
            said, ok = str(error), False
        except DataError as error:
            said, ok = keys.hidden(str(error)), False
        found.append(Connected(name_of(signal), ok, keys.hidden(said)))
    return found


def _said(feed: Feed, at: datetime, no_forecast: str | None) -> str:
    taken = feed.freeze(at, slots=1)
    seen, expected = taken.observation, taken.expected
    old = f"{taken.age_s:.0f} s old" + (", stale" if taken.stale else "") + (", kept" if taken.kept else "")
    forecast = (
        f"forecast of {expected.issued.isoformat(timespec='seconds')}"
        if expected.given_slots
        else "no forecast" + ("" if no_forecast is None else f" ({no_forecast})") + ": persistence"
    )
    return f"{seen.g_per_kwh:.0f} g/kWh from {seen.start.isoformat()} to {seen.end.isoformat()}, {old}; {forecast}"
