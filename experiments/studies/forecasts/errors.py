"""Errors of issued forecasts by lead and zone, beside persistence and the Gaussian reference, over a whole year."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from carbon_data.sources.forecast_file import ForecastFile
from carbon_data.sources.traces import TraceIntensity
from carbon_data.types import MissingDataError

HOUR = timedelta(hours=1)
DAY_H = 24
LEADS_H = 96
GAUSSIAN_FRACTION = 0.1


def errors_by_lead(truth: TraceIntensity, forecasts: ForecastFile, zones: Sequence[str]) -> pd.DataFrame:
    """Mean absolute error by zone and lead (h), as a share of the zone's mean intensity over the same hours: of the
    issued forecasts, and of persistence made at the same moments. Issues with an hour without truth are left out."""
    rows = []
    for zone in zones:
        ours: list[np.ndarray] = []
        before: list[np.ndarray] = []
        level: list[np.ndarray] = []
        for issue in forecasts.issues(zone):
            try:
                seen = truth.series(zone, issue.issued - DAY_H * HOUR, HOUR, DAY_H + LEADS_H)
            except MissingDataError:
                continue
            values = issue.means(issue.issued, HOUR, LEADS_H)
            if values.size < LEADS_H:
                continue
            day, after = np.split(seen.intensity_g_per_kwh, [DAY_H])
            ours.append(np.abs(values - after))
            before.append(np.abs(np.tile(day, LEADS_H // DAY_H) - after))
            level.append(after)
        mean = float(np.mean(level))
        for lead in range(LEADS_H):
            rows.append(
                {
                    "zone": zone,
                    "lead_h": lead,
                    "issues": len(ours),
                    "mean_g_per_kwh": mean,
                    "issued_fraction": float(np.mean([one[lead] for one in ours])) / mean,
                    "persistence_fraction": float(np.mean([one[lead] for one in before])) / mean,
                    "gaussian_fraction": GAUSSIAN_FRACTION * math.sqrt(2.0 / math.pi),
                }
            )
    return pd.DataFrame(rows)


def by_day(errors: pd.DataFrame) -> pd.DataFrame:
    """Means over the leads of each day ahead, by zone and over all zones (weighed by their intensity)."""
    table = errors.assign(day=errors["lead_h"] // DAY_H + 1)
    kinds = ["issued_fraction", "persistence_fraction", "gaussian_fraction"]
    zones = table.groupby(["zone", "day"], as_index=False)[[*kinds, "mean_g_per_kwh"]].mean()
    pooled = []
    for day, own in zones.groupby("day"):
        weight = own["mean_g_per_kwh"] / own["mean_g_per_kwh"].sum()
        pooled.append(
            {"zone": "all", "day": day} | {kind: float((own[kind] * weight).sum()) for kind in kinds}
        )
    return pd.concat([zones, pd.DataFrame(pooled)], ignore_index=True)
