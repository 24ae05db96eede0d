"""Figure 4 as a table."""

from __future__ import annotations

import pandas as pd

from experiments.report.tables import Column, Table
from experiments.report.units import NO_VALUE, missing, number, percent
from experiments.studies.fei.columns import whole
from experiments.studies.fei.energy import REQUESTS_PER_SERVER
from experiments.studies.fei.fig4 import MODEL, STAGES


def stages(shares: pd.DataFrame) -> Table:
    """Fig. 4's figures: one row per servers and target on the page, one per stage in the CSV."""
    key = ["servers", "target_fraction"]
    text = shares.assign(
        text=[
            NO_VALUE if missing(g) else number(g) + _shares(of_three, of_four)
            for g, of_three, of_four in zip(
                shares["sorted_g"], shares["share_of_three_fraction"], shares["share_fraction"], strict=True
            )
        ]
    )
    wide = text.pivot(index=key, columns="stage", values="text")
    grams = text.pivot(index=key, columns="stage", values="sorted_g").add_suffix(" g")
    columns = [Column("servers", "servers", whole), Column("target_fraction", "target", percent)]
    columns += [
        Column(stage, f"{stage}, g (share of three; of four)", str, sort=f"{stage} g") for stage in STAGES
    ]
    return Table(
        "stages",
        "Emissions by stage, sorted placement, edge servers only",
        shares,
        tuple(columns),
        note=(
            f"{MODEL}, training seed 0. Servers as in Table I: the number counts the coordinator, whose grams are "
            f"in no stage. Application: {REQUESTS_PER_SERVER:,} requests an edge server, a choice, since the paper "
            "reports no load; its grams grow with the servers for that reason alone. Preparation's joules do not "
            "depend on them."
        ),
        shown=wide.join(grams).reset_index(),
    )


def _shares(of_three: float, of_four: float) -> str:
    """Shares among the paper's three stages and among all four; recycling is none of the three."""
    said = [percent(share) for share in (of_three, of_four) if not missing(share)]
    return f" ({'; '.join(said)})" if said else ""
