"""The study's page: tables for people, data with licence, assumptions and weaknesses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from carbon_data.files.datasets import dataset
from carbon_data.units import JOULES_PER_KWH, JOULES_PER_WH
from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.report.units import trimmed
from experiments.studies.citylearn.houses import DATASETS, EFFICIENCY_FRACTION
from experiments.studies.citylearn.tables import world_name
from experiments.studies.citylearn.worlds import (
    SERVER_BATCH_J,
    SERVER_BATCHES,
    SERVER_OFFLOAD_FRACTION,
    TRANSFER_LOSS_FRACTION,
)

KNOWS = {"known": "all", "persistence": "yesterday's"}
"""What a policy knows of intensity and panels in its day."""


def page_of(
    report: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], drawings: list[tuple[Drawing, str]]
) -> str:
    """HTML of the study."""
    rows = {name: table.to_dict("records") for name, table in tables.items()}
    return render_study(
        "experiments.studies.citylearn",
        f"Hourly load and panels of 17 real houses on one grid; cases with foresight over {report['hours']} hours, "
        f"rolling decisions over {len(report['weeks'])} weeks.",
        drawings,
        [
            ("Cases beside independent programs", _cases(rows["cases"])),
            ("Rolling decisions", _policies(rows["policies"])),
            ("Rolling decisions, week by week", _weeks(rows["weeks"])),
        ],
        claims=own_checks(report["checks"]),
        sources=sources(),
        assumptions=_assumptions(),
    )


def sources() -> list[str]:
    """Origin and licence of each file."""
    found = (dataset(name) for name in DATASETS)
    return [f"{one.title}: {one.origin}; {one.licence}; sha256 {one.sha256[:16]}" for one in found]


def _cases(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        [
            "case",
            "that is",
            "hours",
            "kg CO2e",
            "grams over no battery",
            "relative difference to the independent program",
        ],
        [
            [
                row["case"],
                row["says"],
                str(row["hours"]),
                f"{row['emissions_g'] / 1000:.1f}",
                _percent(row["relative_fraction"], 2),
                trimmed(row["difference_fraction"], 2),
            ]
            for row in rows
        ],
    )


def _policies(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        [
            "policy",
            "knows of its day",
            "world",
            "kg CO2e",
            "less than LOCAL",
            "regret",
            "least and most of a week",
            "of the possible gain",
            "sent kWh",
            "batches moved",
            "weeks worse",
        ],
        [
            [
                row["policy"].upper(),
                KNOWS[row["knowledge"]],
                row["world"],
                f"{row['emissions_g'] / 1000:.2f}",
                _between(row, "reduction"),
                _between(row, "regret", 2),
                _spread(row),
                _between(row, "captured"),
                f"{row['sent_j'] / JOULES_PER_KWH:.0f}",
                str(row["moved_batches"]),
                f"{row['worse_weeks']} of {row['weeks']}",
            ]
            for row in rows
        ],
    )


def _weeks(rows: Sequence[Mapping[Any, Any]]) -> Shown:
    return Shown(
        [
            "week from",
            "policy",
            "knows of its day",
            "world",
            "kg CO2e",
            "less than LOCAL",
            "regret",
            "of the possible gain",
        ],
        [
            [
                row["first_day"],
                row["policy"].upper(),
                KNOWS[row["knowledge"]],
                world_name(row["servers"]),
                f"{row['emissions_g'] / 1000:.2f}",
                _percent(row["reduction_fraction"]),
                _percent(row["regret_fraction"], 2),
                _percent(row["captured_fraction"]),
            ]
            for row in sorted(rows, key=lambda row: row["begin_hour"])
        ],
    )


def _percent(fraction: float, digits: int = 1) -> str:
    """Empty where there is none."""
    return "" if pd.isna(fraction) else f"{100 * fraction:z.{digits}f} %"


def _spread(row: Mapping[Any, Any]) -> str:
    """Least and most regret of a week."""
    if pd.isna(row["regret_least"]):
        return ""
    return f"{100 * row['regret_least']:z.2f} to {100 * row['regret_most']:z.2f} %"


def _between(row: Mapping[Any, Any], name: str, digits: int = 1) -> str:
    """A fraction with its interval, in percent; empty where there is none."""
    value, low, high = row[f"{name}_fraction"], row[f"{name}_low"], row[f"{name}_high"]
    if pd.isna(value):
        return ""
    ends = "" if pd.isna(low) else f" ({100 * low:z.{digits}f} to {100 * high:z.{digits}f})"
    return f"{100 * value:z.{digits}f} %{ends}"


def _assumptions() -> list[str]:
    return [
        f"Batteries: 6.4 kWh, 5 kW, {EFFICIENCY_FRACTION:.0%} there and back (the square root each way), empty "
        "at first and worth nothing at the end. CityLearn's efficiency by load and its fading of capacity are left "
        "out.",
        "The grid charges no battery (D2), and what panels give beyond use and storage is lost: nothing is "
        "credited for "
        "energy given to the grid.",
        "All houses are on one grid: exchange saves grams by moving panels' energy to a house that would draw from "
        "the grid "
        "in that hour, or to a battery with room; no house has cleaner grid energy than another.",
        f"Real losses: {TRANSFER_LOSS_FRACTION:.0%} of what is sent, the mean of transmission and distribution in "
        f"the United "
        "States; between neighbours it is rather less, so that regret and gain are those of a cautious figure.",
        "Free exchange ignores (D6). Within (D6) a house sends, at any time, at most what its own panels have "
        "given by then: "
        "energy that came from a neighbour is not sent on.",
        f"Houses' load is there when it is there: none of it can run elsewhere, and DETA would be DET. DETA is "
        f"therefore "
        f"compared on houses with an edge server each ({SERVER_BATCHES} batches of "
        f"{SERVER_BATCH_J / JOULES_PER_WH:.0f} Wh an hour, of which "
        f"{SERVER_OFFLOAD_FRACTION:.0%} may move), beside LOCAL and DET with the same servers.",
        "Loads of the next 24 hours are known to every policy; persistence expects intensity and panels as a day "
        "before.",
        "Regret compares a week's run with the optimum over the same week, which starts and ends alike.",
        "Intervals: 95 %, Student's t on paired residuals of the ratio over weeks of one year and one place: "
        "nothing is said of others. Over few weeks of different seasons they are wide, and reach below zero where no "
        "regret can be.",
    ]
