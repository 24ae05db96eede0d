"""The study's page: tables for people, assumptions and weaknesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from carbon_data.sources.marginal import METHOD, WEAKNESS
from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.studies.forecasts.days import SLOTS, START_HOUR_UTC
from experiments.studies.forecasts.shares import Share


def page_of(
    report: Mapping[str, Any],
    tables: dict[str, pd.DataFrame],
    drawings: list[tuple[Drawing, str]],
    zones: tuple[str, ...],
    mixed: tuple[str, ...],
) -> str:
    """HTML of the study."""
    days = report["days"]
    return render_study(
        "experiments.studies.forecasts",
        f"DETA against LOCAL on {len(days)} days, ten nodes in ten zones, with forecasts as they were issued; policies "
        f"on {len(report['marginal_days'])} days in {len(mixed)} zones under average and marginal intensity. "
        "q: hours that work may wait.",
        drawings,
        _shown_tables(tables, report),
        claims=own_checks(report["checks"]),
        rank_changes=report["rank_changes"],
        assumptions=_assumptions(zones, days),
    )


def _between(row: Mapping[Any, Any], name: str, digits: int = 1) -> str:
    """A fraction with its interval, in percent."""
    value, low, high = row[f"{name}_fraction"], row[f"{name}_low"], row[f"{name}_high"]
    if value is None or pd.isna(value):
        return ""
    known = None if low is None or pd.isna(low) else float(low)
    return Share(float(value), known, None if known is None else float(high), 0).text(digits)


def _shown_tables(tables: dict[str, pd.DataFrame], report: Mapping[str, Any]) -> list[tuple[str, Shown]]:
    rows = {name: table.to_dict("records") for name, table in tables.items()}
    return [
        ("What survives, by knowledge", _regimes(rows["regimes"])),
        ("By zone", _zones(rows["zones"])),
        ("Errors by day ahead", _errors(rows["errors-by-day"])),
        ("Ranking of policies", _ranking(rows["ranking"])),
        ("Average and marginal intensity by zone, g/kWh", _mixes(rows["zone-intensities"])),
        ("A day as a booked run", _books(report["booked"])),
    ]


def _regimes(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        ["q", "knowledge", "that is", "survives", "fewer grams than LOCAL", "days worse"],
        [
            [
                str(row["deadline_slots"]),
                row["regime"],
                row["says"],
                _between(row, "surviving"),
                _between(row, "reduction"),
                f"{row['worse_days']} of {row['days']}",
            ]
            for row in rows
        ],
    )


def _zones(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        [
            "q",
            "zone",
            "LOCAL mg",
            "DETA known mg",
            "DETA issued mg",
            "survives of the node's own gain",
            "lost there, of the fleet's gain",
        ],
        [
            [
                str(row["deadline_slots"]),
                row["zone"],
                f"{1000 * row['local_g']:.3f}",
                f"{1000 * row['perfect_g']:.3f}",
                f"{1000 * row['issued_g']:.3f}",
                _between(row, "surviving"),
                _between(row, "lost", 2),
            ]
            for row in rows
        ],
    )


def _errors(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    kinds = ("issued", "persistence", "gaussian")
    return Shown(
        ["zone", "day ahead", "issued", "persistence", "Gaussian"],
        [
            [row["zone"], str(row["day"]), *(f"{row[f'{kind}_fraction']:.1%}" for kind in kinds)]
            for row in rows
        ],
    )


def _ranking(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        ["reading", "policy", "rank", "change", "rank, 95 %", "mg", "fewer grams than LOCAL"],
        [
            [
                row["reading"],
                row["policy"],
                str(row["rank"]),
                f"{row['rank_change']:+d}" if row["rank_change"] else "",
                "" if pd.isna(row["rank_low"]) else f"{row['rank_low']:.0f} to {row['rank_high']:.0f}",
                f"{1000 * row['emissions_g']:.3f}",
                _between(row, "reduction"),
            ]
            for row in rows
        ],
    )


def _mixes(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        ["zone", "average", "marginal, net load", "standard error", "R2", "marginal, fossil"],
        [
            [
                row["zone"],
                f"{row['average_g_per_kwh']:.0f}",
                f"{row['net_load_g_per_kwh']:.0f} "
                f"({row['net_load_lowest']:.0f} to {row['net_load_highest']:.0f})",
                f"{row['standard_error_median']:.1f} to {row['standard_error_highest']:.1f}",
                f"{row['r2']:.2f}",
                f"{row['fossil_g_per_kwh']:.0f} ({row['fossil_lowest']:.0f} to {row['fossil_highest']:.0f})",
            ]
            for row in rows
        ],
    )


def _books(booked: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        ["day", "q", "policy", "booked mg", "simulated mg", "difference", "books"],
        [
            [
                one["day"],
                str(one["deadline_slots"]),
                policy,
                f"{1000 * one[policy]['booked_g']:.4f}",
                f"{1000 * one[policy]['simulated_g']:.4f}",
                f"{one[policy]['difference_fraction']:+z.3%}",
                "hold" if one[policy]["ledger_ok"] else "do not hold",
            ]
            for one in booked
            for policy in ("local", "deta")
        ],
    )


def _assumptions(zones: tuple[str, ...], days: Sequence[str]) -> list[str]:
    return [
        f"{len(days)} days of {SLOTS} hourly slots from {START_HOUR_UTC:02d}:00 UTC: of equal parts of the year the "
        "day nearest to the middle on which every zone has intensities and issues of that day, the two before and the "
        "next. Issues are missing on many days of CHPD, GRID and NEVP; a run would use an older one there.",
        f"Zones: {', '.join(zones)}. One node each: a Raspberry Pi 4B that learns half of the time, a 10 W panel, a "
        "20 Wh battery, empty at first and worth nothing at the end; caps of 50 %.",
        "Intensities are direct, since the forecasts are. Grams are those of the compressed replay: shares count.",
        "LOCAL looks at no forecast: it is the same under every knowledge.",
        "A decision uses the newest issue that is not later (issued at 00:00 UTC): 8 h old in the first slot, leads up "
        "to 39 h; with the delay of 48 h as much longer. Nothing is interpolated between issues.",
        "Intervals: 95 %, Student's t on paired residuals of the ratio over days. Days of one year and one model: "
        "nothing is said of other years or models.",
        f"Marginal intensity: {METHOD}; {WEAKNESS}.",
        "Ranks, 95 %: range over draws of the estimate's standard errors (independent by zone, season and hour) and of "
        "the days. The spread between the two estimates, net-load and fossil, is larger.",
        "Average and marginal are never mixed: each reading says on which it was decided and on which it was booked.",
    ]
