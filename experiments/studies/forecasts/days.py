"""Days of the study and the scenario of one: zones, regimes of knowledge, work that is due at once or may wait."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import tomli_w

from carbon_data.sources.forecast_file import ForecastFile
from carbon_data.sources.traces import TraceIntensity
from carbon_data.types import MissingDataError
from experiments.scenario.model import Scenario, parse_scenario

SLOTS = 24
START_HOUR_UTC = 8
"""A day of the study begins about midnight in the west of the US, so that one day's sun falls into it ([C]); the newest
issue is then eight hours old, and the next comes in the sixteenth slot."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WORST_DELAY_DAYS = 2
DEADLINES = (0, 6)
"""q: work is due in its slot, or may wait six hours ([C]): the worth of forecasts differs."""
MARGINAL_SITES = {"US-FLA-FPL": (25.76, -80.19)}
"""Places of panels in zones without a packaged one: Miami, as in any atlas."""


@dataclass(frozen=True, slots=True)
class Regime:
    """What is known of the future: the scenario's ``[forecast]`` table, and what it is called."""

    name: str
    says: str
    forecast: tuple[tuple[str, Any], ...]

    def table(self) -> dict[str, Any]:
        """The scenario's table."""
        return dict(self.forecast)


def _regime(name: str, says: str, **forecast: Any) -> Regime:
    return Regime(name, says, tuple(forecast.items()))


def _delayed(hours: int) -> Regime:
    return _regime(
        f"issued-{hours}h",
        f"issued forecasts, known {hours} h after their issue",
        kind="file",
        dataset="sundial-2022",
        delay_h=float(hours),
        harvest="perfect",
    )


PERFECT = _regime("perfect", "the future as it will be", kind="perfect")
ISSUED = _regime(
    "issued",
    "issued forecasts of intensity; harvest known",
    kind="file",
    dataset="sundial-2022",
    harvest="perfect",
)
REGIMES = (
    PERFECT,
    ISSUED,
    _regime("persistence", "intensity as a day before; harvest known", kind="persistence", harvest="perfect"),
    _regime(
        "gaussian",
        "intensity with an error of 10 % of its mean, seeded; harvest known",
        kind="gaussian",
        error_fraction=0.1,
        harvest="perfect",
    ),
    _regime(
        "issued-all",
        "issued forecasts of intensity; harvest as a day before",
        kind="file",
        dataset="sundial-2022",
        harvest="persistence",
    ),
    _delayed(48),
)
BY_NAME = {regime.name: regime for regime in REGIMES}


def spread_days(count: int, year: int, usable: Sequence[datetime]) -> tuple[datetime, ...]:
    """``count`` of the ``usable`` days of ``year``: of each of ``count`` equal parts of the year the day nearest to its
    middle that is left. The rule was fixed before any result was seen."""
    if len(usable) < count:
        raise MissingDataError(
            f"{len(usable)} days of {year} have all data that the study needs, {count} are wanted; take fewer days"
        )
    begin = datetime(year, 1, 1, START_HOUR_UTC, tzinfo=UTC)
    left = list(usable)
    chosen = []
    for k in range(count):
        middle = begin + (k + 0.5) * 365.0 / count * DAY
        nearest = min(left, key=lambda day: abs(day - middle))
        left.remove(nearest)
        chosen.append(nearest)
    return tuple(sorted(chosen))


def usable_days(
    truth: TraceIntensity, forecasts: ForecastFile, zones: Sequence[str], year: int
) -> list[datetime]:
    """Starts of days for which every zone has intensities (and the day before), the issue of the same date, those of
    the WORST_DELAY_DAYS before, and the next: so that a lead is what it is called."""
    issued = {zone: {issue.issued for issue in forecasts.issues(zone)} for zone in zones}
    found = []
    for offset in range(1, 365):
        midnight = datetime(year, 1, 1, tzinfo=UTC) + offset * DAY
        start = midnight + START_HOUR_UTC * HOUR
        wanted = {midnight + k * DAY for k in range(-WORST_DELAY_DAYS, 2)}
        if all(wanted <= issued[zone] for zone in zones) and _whole(truth, zones, start):
            found.append(start)
    return found


def _whole(truth: TraceIntensity, zones: Sequence[str], start: datetime) -> bool:
    """Whether a day, the day before and the day after (look-ahead) have a value in every hour."""
    try:
        for zone in zones:
            truth.series(zone, start - DAY, HOUR, 3 * SLOTS)
    except MissingDataError:
        return False
    return True


def scenario_of(
    start: datetime,
    zones: Sequence[str],
    intensity: dict[str, Any],
    regime: Regime = PERFECT,
    *,
    deadline_slots: int = 0,
    policy: str = "deta",
) -> Scenario:
    """The scenario of one day, a node in each of ``zones``."""
    text = (resources.files("experiments.studies.forecasts") / "day.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text) | {
        "policy": policy,
        "time": {"start": start},
        "intensity": intensity,
        "forecast": regime.table(),
        "limits": {"deadline_slots": deadline_slots},
        "nodes": [_node(zone) for zone in zones],
        "seed": int((start - datetime(start.year, 1, 1, tzinfo=UTC)) / DAY),
    }
    return parse_scenario(tomli_w.dumps(table), f"forecasts, {start.date()}")


def _node(zone: str) -> dict[str, Any]:
    place = MARGINAL_SITES.get(zone)
    return {"zone": zone} | ({} if place is None else {"latitude_deg": place[0], "longitude_deg": place[1]})


DIRECT = {"source": "em-2021-2024", "options": {"scope": "direct"}}
"""Intensity that the forecasts are of."""
