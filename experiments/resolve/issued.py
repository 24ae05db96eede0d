"""Issued forecasts of a scenario (`[forecast] kind = "file"`): the forecast of each decision of the run.

The newest issue not after the decision is used as it was issued (methods.md section 1). One that does not reach as far
as the coordinator looks is refused, or continued by the rule that the scenario names; the run's metadata say where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.forecast_file import FORECAST_DATASETS, ForecastFile, Issue
from carbon_data.types import IntensitySeries, Origin
from coordinator.config import ForecastIssue
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import known_slots

if TYPE_CHECKING:
    from experiments.scenario.model import Scenario
    from experiments.scenario.signals import ForecastSpec

DAY = timedelta(days=1)


def open_forecast(spec: ForecastSpec) -> ForecastFile:
    """The file that the scenario names. Raises DataError for one that cannot be read."""
    if spec.dataset is not None:
        return FORECAST_DATASETS[spec.dataset]()
    assert spec.path is not None
    return ForecastFile(
        spec.path,
        value_column=spec.value_column,
        zone_column=spec.zone_column,
        issued_column=spec.issued_column,
        lead_column=spec.lead_column,
        lead_unit_s=spec.lead_unit_s,
        value_unit=spec.value_unit,
        scope=spec.scope,
        separator=spec.separator,
        decimal=spec.decimal,
        encoding=spec.encoding,
        timezone=spec.timezone,
    )


def zone_issues(
    scenario: Scenario,
    file: ForecastFile,
    series: IntensitySeries,
    earlier: Callable[[datetime], NDArray[np.float64]],
) -> tuple[tuple[ForecastIssue, ...], Origin]:
    """Forecasts of ``series``'s zone for every decision of the run, and their origin.

    ``earlier``: intensity from a time before the run on, for the rule "persistence". Raises UsageError where no issue
    is old enough, where one does not reach as far as is looked, or where average and marginal, direct and life-cycle
    would be mixed."""
    spec, zone = scenario.forecast, series.zone
    _refuse_other_kinds(spec, file, series)
    total = len(scenario.stages.slots())
    reach = known_slots(scenario)
    found, notes = [], [*file.notes(zone)]
    continued, oldest = 0, timedelta(0)
    for from_slot, end, issue in _in_use(file, series, total, timedelta(hours=spec.delay_h)):
        needed = min(end - 1 + reach, total) - from_slot - 1
        begin = series.start + (from_slot + 1) * series.step
        values = issue.means(begin, series.step, needed)
        oldest = max(oldest, series.start + (end - 1) * series.step - issue.issued)
        given = int(values.size)
        if given < needed:
            if spec.beyond == "refuse":
                raise UsageError(_too_short(issue, series, end, min(end - 1 + reach, total)))
            continued += 1
            values = _continued(values, begin, series.step, needed, earlier)
        found.append(
            ForecastIssue(
                issued=issue.issued.isoformat(),
                from_slot=from_slot,
                g_per_kwh=tuple(float(value) for value in values),
                given_slots=given,
            )
        )
    notes.append(f"zone {zone}: {len(found)} issues used, at most {_hours(oldest)} old at a decision")
    if continued:
        notes.append(
            f"zone {zone}: {continued} issues continued by persistence (as the same hour of the last day that is known)"
        )
    if file.origin.scope is not series.origin.scope:
        notes.append(
            f"zone {zone}: the forecast is {file.origin.scope}, the intensity {series.origin.scope}: taken as it is "
            "(forecast.other_scope)"
        )
    return tuple(found), replace(file.origin, notes=tuple(notes))


def _refuse_other_kinds(spec: ForecastSpec, file: ForecastFile, series: IntensitySeries) -> None:
    """A forecast is of the signal and the scope of the intensity that decisions are booked with."""
    forecast, truth = file.origin, series.origin
    if forecast.signal is not truth.signal:
        raise UsageError(
            f"the forecast is of {forecast.signal} intensity, [intensity] gives {truth.signal}; the two are never "
            "mixed: choose another forecast or another source"
        )
    if forecast.scope is not truth.scope and not spec.other_scope:
        raise UsageError(
            f"the forecast is of {forecast.scope} intensity, [intensity] gives {truth.scope} ({truth.source}); take a "
            f'source of {forecast.scope} intensity, e.g. [intensity] source = "em-2021-2024" with options = {{ scope = '
            f'"{forecast.scope}" }}, or set forecast.other_scope = true to use it as it is (metadata say so)'
        )


def _in_use(
    file: ForecastFile, series: IntensitySeries, total: int, delay: timedelta
) -> list[tuple[int, int, Issue]]:
    """Of the run's issues: first decision, the one after the last, and the issue; decisions are taken when a slot
    begins, and know an issue ``delay`` after its time."""
    firsts: dict[int, Issue] = {}
    for issue in file.issues(series.zone):
        # rounded up: an issue within a slot is known to the next decision
        slot = max(0, -((series.start - issue.issued - delay) // series.step))
        if slot < total:
            firsts[slot] = issue
    if 0 not in firsts:
        oldest = file.issues(series.zone)[0].issued + delay
        raise UsageError(
            f"zone {series.zone}: the oldest issue is known from {oldest.isoformat()} on, the run starts at "
            f"{series.start.isoformat()}; set time.start to {oldest.isoformat()} or later"
        )
    slots = sorted(firsts)
    return [(slot, end, firsts[slot]) for slot, end in zip(slots, [*slots[1:], total], strict=True)]


def _too_short(issue: Issue, series: IntensitySeries, end: int, until: int) -> str:
    wanted = series.start + until * series.step
    decision = series.start + (end - 1) * series.step
    return (
        f"zone {issue.zone}: the issue of {issue.issued.isoformat()} covers {issue.first.isoformat()} to "
        f"{issue.end.isoformat()} ({issue.values.size} leads), the decision of {decision.isoformat()} that rests on it "
        f"looks until {wanted.isoformat()} "
        "(the larger of coordinator.horizon_slots and coordinator.value_slots); look less far ahead, choose another "
        'period, or set forecast.beyond = "persistence" to continue it by the last day known'
    )


def _continued(
    values: NDArray[np.float64],
    begin: datetime,
    step: timedelta,
    needed: int,
    earlier: Callable[[datetime], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """``values`` to ``needed`` intervals from ``begin`` on: each further one as a day before, from the issue where it
    reaches, else as it was seen on the day before ``begin``."""
    if DAY % step:
        raise UsageError(
            f'forecast.beyond = "persistence" repeats days, and a day is no whole number of slots of {step}; set '
            "time.trace_step_s to a divisor of 86400"
        )
    day = DAY // step
    line = [*(earlier(begin - DAY)[:day] if values.size < day else ()), *values]
    before = len(line) - values.size
    while len(line) < before + needed:
        line.append(line[-day])
    return np.array(line[before:])


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g} h"
