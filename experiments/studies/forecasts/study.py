"""What share of DETA's gain over LOCAL survives real forecasts, by lead and zone; policies under average and marginal
intensity.

Claim: none of a paper; checks of the project's own. Cost: --quick about a minute, three days; --full about half an hour
on two cores, ten days spread over the year. Command: ``detabed reproduce forecasts``. An interrupted study goes on
where it stopped: every day is kept in the user's cache folder under the hash of all it depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from carbon_data.sources.forecast_file import sundial_2022
from carbon_data.sources.generation import GenerationAverage
from carbon_data.sources.traces import em_2021_2024
from carbon_data.types import Scope
from experiments.studies.computed import compute_cells
from experiments.studies.forecasts import errors as lead_errors
from experiments.studies.forecasts import figures, ranking, survive
from experiments.studies.forecasts.booked import BookedCell
from experiments.studies.forecasts.checks import judge
from experiments.studies.forecasts.days import DEADLINES, START_HOUR_UTC, spread_days, usable_days
from experiments.studies.forecasts.page import page_of
from experiments.studies.forecasts.survive import FULL, QUICK, Extent
from experiments.studies.written import rows_of, write_study

YEAR, MARGINAL_YEAR = 2022, 2021


def reproduce_forecasts(
    folder: Path,
    full: bool,
    console: Console | None = None,
    workers: int | None = None,
    *,
    cache: Path | None = None,
    extent: Extent | None = None,
) -> dict[str, Any]:
    """Compute, judge, draw and write; returns ``checks``, ``tables``, ``figures``, ``page``, ``run`` and what
    docs/command-line.md says. Raises DataError where a data file is missing, with how to get it."""
    extent = extent or (FULL if full else QUICK)
    forecasts, truth = sundial_2022(), em_2021_2024(scope=Scope.DIRECT)
    zones = tuple(forecasts.zones())
    mixed = tuple(GenerationAverage().zones())
    days = spread_days(extent.days, YEAR, usable_days(truth, forecasts, zones, YEAR))
    mix_days = spread_days(extent.days, MARGINAL_YEAR, _every_day(MARGINAL_YEAR))
    ranked_q = DEADLINES[0]
    known = survive.cells(extent, days, zones)
    ranked = ranking.cells(mix_days, mixed, ranked_q)
    booked = [BookedCell(days[len(days) // 2], zones, ranked_q)]
    (of_books, of_known, of_ranked), computed = compute_cells(
        "forecasts", (booked, known, ranked), what="days", console=console, workers=workers, cache=cache
    )
    table = survive.table_of(known, of_known)
    regimes = survive.by_regime(table)
    by_zone = survive.by_zone(table, zones)
    errors = lead_errors.errors_by_lead(truth, forecasts, zones)
    grams = ranking.grams_of(ranked, of_ranked, mixed)
    ranks = ranking.ranking(grams).merge(
        ranking.rank_stability(ranked, of_ranked, mixed), on=["reading", "policy"], how="left"
    )
    intensities = ranking.zone_intensities(mixed)
    books = [
        {"day": cell.start.date().isoformat(), "deadline_slots": cell.deadline_slots, **result["policies"]}
        for cell, result in zip(booked, of_books, strict=True)
    ]
    tables = {
        "days": table,
        "regimes": regimes,
        "zones": by_zone,
        "errors-by-lead": errors,
        "errors-by-day": lead_errors.by_day(errors),
        "ranking": ranks,
        "ranking-days": grams,
        "zone-intensities": intensities,
    }
    drawings = [
        figures.what_survives(regimes),
        figures.errors_by_lead(errors),
        *(figures.by_zone(by_zone, q) for q in sorted(set(by_zone["deadline_slots"]))),
        figures.ranks(ranks),
    ]
    report = {
        "checks": judge(table, regimes, tables["errors-by-day"], ranks, books),
        "days": [day.isoformat() for day in days],
        "marginal_days": [day.isoformat() for day in mix_days],
        "surviving": _records(regimes, ("deadline_slots", "regime"), "surviving"),
        "zones": rows_of(by_zone),
        "errors_by_day": rows_of(tables["errors-by-day"]),
        "ranking": rows_of(ranks),
        "rank_changes": ranking.changes(ranks),
        "zone_intensities": rows_of(intensities),
        "booked": books,
        "computed": computed,
    }
    return write_study(
        folder, report, tables, drawings, lambda shown: page_of(report, tables, shown, zones, mixed)
    )


def _every_day(year: int) -> list[datetime]:
    """All days of a year without gaps, but the first and the last."""
    return [
        datetime(year, 1, 1, START_HOUR_UTC, tzinfo=UTC) + pd.Timedelta(days=k).to_pytimedelta()
        for k in range(1, 364)
    ]


def _records(table: pd.DataFrame, keys: Sequence[str], what: str) -> list[dict[str, Any]]:
    wanted = [
        *keys,
        f"{what}_fraction",
        f"{what}_low",
        f"{what}_high",
        "reduction_fraction",
        "worse_days",
        "days",
    ]
    return rows_of(table[wanted])
