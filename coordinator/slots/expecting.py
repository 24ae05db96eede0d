"""Expected intensity of the slots to come, at one decision. Pure."""

from __future__ import annotations

from bisect import bisect_right

from coordinator.config import ForecastIssue, ZoneIntensity


def expected_g_per_kwh(zone: ZoneIntensity, slot: int, slots: int, known_slots: int = 0) -> tuple[float, ...]:
    """What is expected, when ``slot`` is decided, of the ``slots`` slots that follow it, as far as the series go.

    Of issued forecasts the newest that is not later than ``slot`` is used, for every slot looked at. A series from the
    day before knows ``known_slots`` ahead (0: all): what lies further ahead is expected like the same hour of it.
    """
    first = slot + 1
    if zone.issues:
        issue = newest(zone.issues, slot)
        return issue.g_per_kwh[slot - issue.from_slot : slot - issue.from_slot + slots]
    series = zone.forecast_g_per_kwh or zone.intensity_g_per_kwh
    if not known_slots:
        return series[first : first + slots]
    return tuple(
        series[slot + (t - slot) % known_slots] for t in range(first, min(first + slots, len(series)))
    )


def newest(issues: tuple[ForecastIssue, ...], slot: int) -> ForecastIssue:
    """The newest issue that a decision on ``slot`` may use."""
    return issues[bisect_right(issues, slot, key=lambda issue: issue.from_slot) - 1]
