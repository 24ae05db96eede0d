"""The ranking of policies under average and under marginal intensity of the same grids and days.

Three readings: decided and booked on average intensity (an inventory); decided on average, booked on the marginal
estimate (what the decisions did, as far as the estimate says); decided and booked on the marginal estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carbon_data.sources.generation import GenerationAverage
from carbon_data.sources.marginal import GenerationMarginal, season_hour
from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Floats
from experiments.studies.forecasts.cells import RankingCell
from experiments.studies.forecasts.days import SLOTS
from experiments.studies.forecasts.shares import share

POLICIES = ("grid", "local", "local-lp", "nearest-green", "auction", "det", "dat", "deta")
RESPONDING = ("net-load", "fossil")
HOUR = timedelta(hours=1)
DRAWS = 2000
TIE_FRACTION = 1e-6
"""Difference, as a share of the fewest grams, up to which two policies share a rank: the solver's tolerance."""
CONFIDENCE = (2.5, 97.5)
AVERAGE = "average"


@dataclass(frozen=True, slots=True)
class Reading:
    """Grams decided on one signal and booked on another."""

    name: str
    decided: str
    booked: str


READINGS = (
    Reading("average", AVERAGE, AVERAGE),
    *(Reading(f"average, booked marginal ({kind})", AVERAGE, kind) for kind in RESPONDING),
    *(Reading(f"marginal ({kind})", kind, kind) for kind in RESPONDING),
)


def cells(days: Sequence[datetime], zones: tuple[str, ...], deadline_slots: int) -> list[RankingCell]:
    """A cell for each day and each signal that decisions are made on."""
    return [
        RankingCell(
            day,
            zones,
            deadline_slots,
            "generation-average" if signal == AVERAGE else "generation-marginal",
            "" if signal == AVERAGE else signal,
            POLICIES,
        )
        for day in days
        for signal in (AVERAGE, *RESPONDING)
    ]


def grams_of(
    done: Sequence[RankingCell], results: Sequence[dict[str, Any]], zones: tuple[str, ...]
) -> pd.DataFrame:
    """Rows of reading, policy and day: grams."""
    average = GenerationAverage()
    marginal = {kind: GenerationMarginal(responding=kind) for kind in RESPONDING}
    joules = {
        (cell.responding or AVERAGE, cell.start): result["joules"]
        for cell, result in zip(done, results, strict=True)
    }
    rows = []
    for reading in READINGS:
        for day in sorted({cell.start for cell in done}):
            source = average if reading.booked == AVERAGE else marginal[reading.booked]
            intensity = np.column_stack(
                [source.series(z, day, HOUR, SLOTS).intensity_g_per_kwh for z in zones]
            )
            for policy, values in joules[reading.decided, day].items():
                grams = float((np.asarray(values) * intensity).sum() / JOULES_PER_KWH)
                rows.append(
                    {
                        "reading": reading.name,
                        "policy": policy,
                        "day": day.date().isoformat(),
                        "emissions_g": grams,
                    }
                )
    return pd.DataFrame(rows)


def ranking(grams: pd.DataFrame) -> pd.DataFrame:
    """Rank (1: fewest grams over all days), grams and reduction against LOCAL with its interval, by reading and policy;
    ``rank_change`` against the reading ``average``."""
    rows = []
    for reading, own in grams.groupby("reading", sort=False):
        wide = own.pivot(index="day", columns="policy", values="emissions_g")
        ranks = ranks_of(wide.sum().to_numpy()[None, :])[0]
        for policy, rank in zip(wide.columns, ranks, strict=True):
            less = share((wide["local"] - wide[policy]), wide["local"])
            rows.append(
                {
                    "reading": reading,
                    "policy": policy,
                    "emissions_g": float(wide[policy].sum()),
                    "rank": int(rank),
                    **less.columns("reduction"),
                }
            )
    table = pd.DataFrame(rows)
    first = table[table["reading"] == "average"].set_index("policy")["rank"]
    table["rank_change"] = table["rank"] - table["policy"].map(first)
    return table.sort_values(["reading", "rank"], key=lambda c: c if c.name == "rank" else c.map(_order))


def ranks_of(grams: Floats) -> NDArray[np.int64]:
    """Rank of every column by rows, 1 for the fewest grams; grams that differ by rounding share the better rank."""
    least = TIE_FRACTION * grams.min(axis=1)[:, None, None]
    return 1 + (grams[:, None, :] < grams[:, :, None] - least).sum(axis=2)


def _order(reading: str) -> int:
    return next(k for k, one in enumerate(READINGS) if one.name == reading)


def rank_stability(
    done: Sequence[RankingCell],
    results: Sequence[dict[str, Any]],
    zones: tuple[str, ...],
    seed: int = 0,
) -> pd.DataFrame:
    """Uncertainty of the marginal estimate in the ranks: by reading and policy the range of ranks that holds 95 % of
    draws, each with another error of every zone's season and hour (independent, normal, standard errors of (M3)) and
    other days (resampled, the same for all policies)."""
    rng = np.random.default_rng(seed)
    days = sorted({cell.start for cell in done})
    joules = {
        (cell.responding or AVERAGE, cell.start): result["joules"]
        for cell, result in zip(done, results, strict=True)
    }
    picks = rng.integers(0, len(days), (DRAWS, len(days)))
    rows = []
    for reading in READINGS:
        if reading.booked == AVERAGE:
            continue
        source = GenerationMarginal(responding=reading.booked)
        noise = {zone: rng.standard_normal((DRAWS, 4, SLOTS)) for zone in zones}
        by_day = np.empty((len(days), DRAWS, len(POLICIES)))
        for d, day in enumerate(days):
            intensity = _drawn(source, zones, day, noise)
            for p, policy in enumerate(POLICIES):
                used = np.asarray(joules[reading.decided, day][policy])
                by_day[d, :, p] = (intensity * used).sum(axis=(1, 2)) / JOULES_PER_KWH
        totals = by_day[picks.T, np.arange(DRAWS)].sum(axis=0)
        ranks = ranks_of(totals)
        low, high = np.percentile(ranks, CONFIDENCE, axis=0, method="nearest")
        for p, policy in enumerate(POLICIES):
            rows.append(
                {
                    "reading": reading.name,
                    "policy": policy,
                    "rank_low": int(low[p]),
                    "rank_high": int(high[p]),
                    "first_fraction": float((ranks[:, p] == 1).mean()),
                }
            )
    return pd.DataFrame(rows)


def _drawn(
    source: GenerationMarginal, zones: tuple[str, ...], day: datetime, noise: dict[str, Floats]
) -> Floats:
    """(DRAWS, T, N) marginal intensity of a day, with errors; none below zero."""
    moments = np.datetime64(day.replace(tzinfo=None), "h") + np.arange(SLOTS)
    season, hour = season_hour(moments)
    columns = []
    for zone in zones:
        found = source.estimate(zone)
        drawn = (
            found.g_per_kwh[season, hour] + found.standard_error[season, hour] * noise[zone][:, season, hour]
        )
        columns.append(np.maximum(drawn, 0.0))
    return np.stack(columns, axis=2)


def zone_intensities(zones: Sequence[str]) -> pd.DataFrame:
    """Average and marginal intensity of every zone, with R2, standard errors, and who follows the load."""
    average = GenerationAverage()
    marginal = {kind: GenerationMarginal(responding=kind) for kind in RESPONDING}
    rows = []
    for zone in zones:
        row: dict[str, Any] = {"zone": zone}
        for kind in RESPONDING:
            found = marginal[kind].estimate(zone)
            if kind == RESPONDING[0]:
                hours = int((found.end - found.start) / HOUR)
                row["average_g_per_kwh"] = float(
                    average.series(zone, found.start, HOUR, hours).intensity_g_per_kwh.mean()
                )
                row["r2"] = found.r2
                row["standard_error_median"] = float(np.median(found.standard_error))
                row["standard_error_highest"] = float(found.standard_error.max())
                mean_shares = found.shares.mean(axis=(0, 1))
                row |= {f"share_{fuel}": float(s) for fuel, s in zip(found.fuels, mean_shares, strict=True)}
            key = kind.replace("-", "_")
            row[f"{key}_g_per_kwh"] = float(found.g_per_kwh.mean())
            row[f"{key}_lowest"] = float(found.g_per_kwh.min())
            row[f"{key}_highest"] = float(found.g_per_kwh.max())
        rows.append(row)
    return pd.DataFrame(rows)


def changes(table: pd.DataFrame) -> list[str]:
    """The changes of rank in words, reading by reading."""
    said = []
    for reading, own in table.groupby("reading", sort=False):
        if reading == "average":
            continue
        moved = own[own["rank_change"] != 0].sort_values("rank")
        text = ", ".join(
            f"{policy} from {rank - change} to {rank}"
            for policy, rank, change in zip(moved["policy"], moved["rank"], moved["rank_change"], strict=True)
        )
        said.append(f"{reading}: {text or 'no rank changes'}")
    return said


def first_by_reading(table: pd.DataFrame) -> dict[str, list[str]]:
    """The policies with the fewest grams, by reading: several where they tie."""
    first = table[table["rank"] == 1]
    return {
        str(reading): sorted(own["policy"].astype(str))
        for reading, own in first.groupby("reading", sort=False)
    }
