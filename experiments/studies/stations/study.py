"""Base stations that may sleep, with panels and batteries under traffic (survey, section 2.2.2 and its figure 9).

Claim: none, for the survey's text gives no figures; checks of the project's own. Cost: --quick 74 CPU
seconds, --full some 240. Command: ``detabed reproduce base-stations``. Settings with their sources: stations.toml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from carbon_data.units import JOULES_PER_KWH
from experiments.report.claims.shown import own_checks
from experiments.report.figures.base import Drawing
from experiments.report.study_page import Shown, render_study
from experiments.report.units import percent
from experiments.studies.computed import compute_cells
from experiments.studies.stations import figures
from experiments.studies.stations.cells import ALWAYS_ON, StationCell, totals
from experiments.studies.stations.checks import judge
from experiments.studies.stations.plan import Extent, full, quick
from experiments.studies.stations.world import settings
from experiments.studies.written import rows_of, write_study


def reproduce_base_stations(
    folder: Path,
    full_extent: bool,
    console: Console | None = None,
    workers: int | None = None,
    *,
    cache: Path | None = None,
    extent: Extent | None = None,
) -> dict[str, Any]:
    """Compute, judge, draw and write; returns ``checks``, ``tables``, ``figures``, ``page``, ``run`` and what
    docs/command-line.md says."""
    compared = tuple(settings()["policies"]["compared"])
    extent = extent or (full if full_extent else quick)(compared)
    main, swept = extent.main(), extent.sweep()
    varied = [cell for _, _, cell in swept]
    (of_main, of_varied), computed = compute_cells(
        "base-stations", (main, varied), what="days", console=console, workers=workers, cache=cache
    )
    days = _days(main, of_main)
    policies = over_always_on(days, ["policy"])
    told = _days(varied, of_varied)
    told.insert(0, "setting", [name for name, _, _ in swept])
    told.insert(1, "value", [value for _, value, _ in swept])
    sweep = over_always_on(told, ["setting", "value", "policy"])
    made = {"policies": policies, "sweep": sweep, "days": days}
    drawings = [figures.emissions(policies), figures.sensitivity(sweep)]
    report = {
        "checks": judge(policies, days, told),
        "days": [list(one) for one in extent.days],
        "policies": rows_of(policies),
        "sweep": rows_of(sweep),
        "computed": computed,
    }
    return write_study(folder, report, made, drawings, lambda shown: _page(report, shown))


def _days(cells: Sequence[StationCell], results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"policy": cell.policy, "month": cell.month, "seed": cell.seed}
            | {name: value for name, value in result.items() if name != "cost"}
            for cell, result in zip(cells, results, strict=True)
        ]
    )


def over_always_on(days: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums over days by ``keys`` (the last is ``policy``), each beside always-on of the same other keys."""
    rows: list[dict[str, Any]] = []
    for key, own in days.groupby(keys, sort=False):
        values = totals(own.drop(columns=[*keys, "month", "seed"]).to_dict("records"))
        rows.append(dict(zip(keys, key, strict=True)) | values)
    base = {tuple(row[k] for k in keys[:-1]): row for row in rows if row["policy"] == ALWAYS_ON}
    for row in rows:
        always = base[tuple(row[k] for k in keys[:-1])]
        row["blocked_fraction"] = row["blocked_units"] / row["offered_units"]
        row["energy_fraction"] = row["energy_j"] / always["energy_j"]
        grams = always["emissions_g"]
        row["emissions_fraction"] = row["emissions_g"] / grams if grams else float("nan")
        row["reduction_fraction"] = float("nan") if row is always else 1.0 - row["emissions_fraction"]
    return pd.DataFrame(rows)


def _page(report: Mapping[str, Any], drawings: list[tuple[Drawing, str]]) -> str:
    return render_study(
        "experiments.studies.stations",
        f"Seven cells with a panel and a battery each, {len(report['days'])} days of 24 hourly slots; which cells "
        "sleep is decided every hour.",
        drawings,
        [
            ("Policies", _shown(report["policies"], ["policy"])),
            ("Settings", _shown(report["sweep"], ["setting", "value", "policy"])),
        ],
        claims=own_checks(report["checks"]),
        assumptions=_assumptions(),
    )


def _shown(rows: Sequence[Mapping[str, Any]], keys: list[str]) -> Shown:
    return Shown(
        [
            *keys,
            "energy kWh",
            "of it from the grid",
            "kg CO2e",
            "fewer grams than always-on",
            "traffic blocked",
            "traffic carried by neighbours",
            "hours asleep",
            "wake-ups",
        ],
        [
            [
                *(str(row[key]) for key in keys),
                f"{row['energy_j'] / JOULES_PER_KWH:.1f}",
                percent(row["grid_j"] / row["energy_j"], 1),
                f"{row['emissions_g'] / 1000:.2f}",
                "" if row["reduction_fraction"] is None else percent(row["reduction_fraction"], 1),
                percent(row["blocked_fraction"], 3),
                percent(row["moved_units"] / row["offered_units"], 1),
                percent(row["asleep_fraction"], 1),
                f"{row['wakes']:.0f}",
            ]
            for row in rows
        ],
    )


def _assumptions() -> list[str]:
    return [
        "The survey names the problem, policies (thresholds of traffic, four depths of sleep, learned policies) "
        "and panels; its "
        "figure 9 is a picture without figures in the text. Layout, traffic, panels, batteries and the rule of "
        "coverage are "
        "choices, and swept.",
        "A cell sleeps only where enough awake neighbours cover its area and carry all its traffic of the hour, "
        "whatever the "
        "policy wishes: what a policy blocks is what exceeds the capacity of all cells, or what waking up takes.",
        "Traffic of the present hour is known when the hour is decided, to every policy. Traffic of a neighbour's "
        "area takes "
        "more energy.",
        "Watts of a cell and its sleep modes are quoted from a published table of one type of macro cell, which "
        "was not at "
        "hand to be read again; they are swept, by half and by half more. There are none for SM4.",
        "In slots of an hour the depth of sleep decides watts; wake times of a second and less decide next to "
        "nothing, but "
        "delay the first traffic of an hour by as much.",
        "DETA is the testbed's own, with sleep and without exchange of energy between sites. It is told which "
        "cells may sleep together in each hour, and knows nothing else of neighbours: it plans as if any cell could "
        "carry any other's traffic. What is stored after its three hours it values by (D9), with the loads of a plan "
        "in which cells sleep.",
        "Traffic is made, not measured: a day's course with noise. One city, one sky, one grid.",
        "The learned policy was trained on the settings of stations.toml, on days of other months with other traffic; "
        "weights and record are in learned.json. It knows the network, as no other policy does, and what the others "
        "know of its day.",
    ]
