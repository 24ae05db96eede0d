"""Forecasts as they are issued."""

from __future__ import annotations

from coordinator.config import ForecastIssue


def issue(from_slot: int, *values: float) -> ForecastIssue:
    return ForecastIssue(
        issued=f"at {from_slot}", from_slot=from_slot, g_per_kwh=values, given_slots=len(values)
    )
