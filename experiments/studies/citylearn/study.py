"""Seventeen real houses over a year: what batteries, foresight and exchange are worth, each figure beside an
independent program; DET and DETA with rolling decisions and real losses, and their regret.

Claim: none of a paper; checks of the project's own. Cost: --quick the year's cases and three weeks of rolling
decisions, 225 CPU seconds (the sum of its cells, measured beside other work), so about two minutes on two cores;
--full all 52 weeks, 50 CPU minutes. Command: ``detabed reproduce citylearn``.
An interrupted study goes on where it stopped: every cell is kept in the user's cache folder under the hash of all it
depends on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.studies.citylearn import figures, tables
from experiments.studies.citylearn.checks import judge
from experiments.studies.citylearn.houses import read_houses
from experiments.studies.citylearn.page import page_of, sources
from experiments.studies.citylearn.plan import FULL, QUICK, Extent
from experiments.studies.computed import compute_cells
from experiments.studies.written import rows_of, write_study


def reproduce_citylearn(
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
    read_houses()
    groups = (extent.cases(), extent.bases(), extent.rolling(), extent.bounds())
    (cased, based, rolled, bounded), computed = compute_cells(
        "citylearn", groups, what="cells", console=console, workers=workers, cache=cache
    )
    spans = tables.case_table(groups[0], cased)
    bases = {
        (int(b), int(e)): float(grams)
        for case, b, e, grams in zip(
            spans["case"], spans["begin_hour"], spans["end_hour"], spans["emissions_g"], strict=True
        )
        if case == "no battery"
    } | {(cell.begin, cell.end): found["ours_g"] for cell, found in zip(groups[1], based, strict=True)}
    weeks = tables.week_table(groups[2], rolled, groups[3], bounded)
    made = {
        "cases": tables.relative_table(spans, bases),
        "spans": spans,
        "policies": tables.policy_table(weeks),
        "weeks": weeks,
    }
    drawings = [figures.emissions(made["cases"]), figures.regret(made["policies"], weeks)]
    report = {
        "checks": judge(made["cases"], made["policies"], weeks),
        "hours": int(made["cases"].set_index("case")["hours"]["no battery"]),
        "weeks": list(extent.weeks),
        "by_week": rows_of(weeks.sort_values("begin_hour", kind="stable")),
        "cases": rows_of(made["cases"]),
        "policies": rows_of(made["policies"]),
        "sources": sources(),
        "computed": computed,
    }
    return write_study(folder, report, made, drawings, lambda shown: page_of(report, made, shown))
