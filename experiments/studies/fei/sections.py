"""Sections and notices of the study's page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from experiments.report.units import percent
from experiments.studies.fei import (
    error_tables,
    fig4,
    fig5,
    figures,
    inconsistencies,
    market,
    placement,
    rate_tables,
    report,
    row_tables,
    stage_table,
    surface_table,
)
from experiments.studies.fei.claims.markets import conditions, contour
from experiments.studies.fei.plan import Plan, hours
from experiments.studies.fei.spec import (
    PAPER_REDUCTION_FRACTION,
    Effort,
)

_KINDS = {
    "measured": "trained on this machine at the paper's size",
    "shipped": "from trainings of that size that ship with the package",
    "scaled": "trained smaller and scaled by counted work",
    "shipped, scaled": "scaled likewise from smaller trainings that ship with the package",
    "missing": "missing",
}
"""Origins of rows, in words."""


def table_sections(what: str, tables: dict[str, pd.DataFrame]) -> list[report.Section]:
    frame, seeds = tables["table1"], tables["seeds"]
    found = []
    if what != "fig3":
        found.append(
            report.Section(
                "table1",
                "Table I",
                "Rounds from real federated training, energy from the board model calibrated on one row of each "
                "model, reading of E and B, and size of training; grams by placement. Everything else is prediction.",
                figures=[[figures.ratios(frame, seeds)]],
                tables=[
                    row_tables.readings(tables["claims_by_reading"]),
                    *([row_tables.seeds(seeds)] if len(seeds) else []),
                    error_tables.errors(tables["errors"]),
                    rate_tables.rate_errors(tables["rate_errors"]),
                    rate_tables.rates(tables["rates"]),
                    *(
                        [error_tables.calibrations(tables["calibrations"])]
                        if len(tables["calibrations"])
                        else []
                    ),
                    row_tables.table1(frame),
                    *([error_tables.scaling(tables["scaling"])] if len(tables["scaling"]) else []),
                ],
            )
        )
    if what != "table1":
        found.append(
            report.Section(
                "fig3", "Figure 3", "Energy and emissions against servers.", [[figures.fig3(frame, seeds)]]
            )
        )
    return found


def stage_section(shares: pd.DataFrame, seeds: pd.DataFrame) -> report.Section:
    drawn = (
        [[figures.fig4(shares, seeds, fig4.PAPER_STAGES)], [figures.fig4(shares, seeds)]]
        if len(shares)
        else []
    )
    lead = (
        "Emissions by stage of the software's life: in the paper's three stages first, then with recycling, which is "
        "measured here and left out there."
    )
    return report.Section("fig4", "Figure 4", lead, drawn, [stage_table.stages(shares)])


def market_section(lines: pd.DataFrame, means: pd.DataFrame, zones: Sequence[str]) -> report.Section:
    target = percent(PAPER_REDUCTION_FRACTION)
    inside = fig5.within_caps(means, sleep=False)
    reached = "; ".join(
        f"against {against.upper()} {contour(inside, against)}" for against in ("grid", "local")
    )
    return report.Section(
        "fig5",
        "Figure 5 and the surface",
        f"What trading energy and moving work save, and where on the surface of assumptions {target} lies. At "
        f"{fig5.SURFACE_SERVERS} servers, caps {percent(market.CAP_FRACTION, 0)}, nodes awake and no slack: "
        f"{reached}. All this assumes: {conditions(means, zones)}. Slack: slots of an hour by which work may "
        "wait; the paper mentions none, but without it caps of 50 % keep every node awake.",
        [
            [figures.fig5(lines)],
            [figures.surface(means, "local"), figures.surface(means, "grid")],
            [figures.sleep(means)],
        ],
        [surface_table.surface(means)],
    )


def notices(
    effort: Effort, plan: Plan, frame: pd.DataFrame, world: placement.Intensities
) -> list[dict[str, str]]:
    found = []
    kind = frame["basis"].str.partition(":")[0].where(frame["ours_kwh"].notna(), "missing")
    count = kind.value_counts()
    parts = [f"{count[name]} {words}" for name, words in _KINDS.items() if name in count]
    found.append(
        {
            "level": "info" if set(count.index) == {"measured"} else "warn",
            "title": f"Effort: {effort.name}",
            "text": f"of {len(frame)} rows (models, readings, servers) {', '.join(parts)}; none comes from a formula",
        }
    )
    if plan.absent:
        blocks = Counter(f"{row.model}, {row.batches}" for row in plan.absent)
        found.append(
            {
                "level": "info",
                "title": "Left to --full",
                "text": "; ".join(f"{name}: {n} rows" for name, n in blocks.items())
                + f"; together about {hours(plan.absent_cpu_s())} on one core. --full says what it will take on your "
                "machine, may be stopped at any time and goes on where it stopped",
            }
        )
    if not world.is_hourly:
        found.append(
            {
                "level": "warn",
                "title": "No hourly intensities",
                "text": "packaged month and hour of day means are used; put em-lca-2022 into the data folder",
            }
        )
    found.append(
        {
            "level": "info",
            "title": "Energy trading is virtual",
            "text": "boards on Wi-Fi cannot move energy; transfers are accounted between sites, and "
            + inconsistencies.grids(world.zones),
        }
    )
    return found
