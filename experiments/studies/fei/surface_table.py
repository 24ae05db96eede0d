"""The surface of assumptions as a table."""

from __future__ import annotations

import pandas as pd

from experiments.report.tables import Column, Table
from experiments.report.units import percent, trimmed
from experiments.studies.fei import fig5
from experiments.studies.fei.columns import two_decimals, whole


def _setting(value: float) -> str:
    """A fraction that is a setting: whole percent."""
    return percent(value, 0)


def surface(means: pd.DataFrame) -> Table:
    """The surface, highest reduction against LOCAL first."""
    records = means.to_dict("records")
    shown = means.assign(
        grid=[fig5.known(record, "grid") for record in records],
        local=[fig5.known(record, "local") for record in records],
        nodes=["sleep" if s else "awake" for s in means["sleep"]],
        alone=[
            ("≤ " if record["sleep"] else "") + percent(record["alone_bound_fraction"]) for record in records
        ],
    ).sort_values("against_local_fraction", ascending=False)
    return Table(
        name="surface",
        caption="DETA's reduction at ten servers, mean over seeds with 95 % interval; from plan to bound with sleep",
        frame=means,
        columns=(
            Column("panel_w", "panel, W", trimmed),
            Column("harvest_to_demand", "harvest / demand", two_decimals),
            Column("loss_fraction", "loss", _setting),
            Column("cap_fraction", "caps", _setting),
            Column("deadline_slots", "slack, slots", whole),
            Column("nodes", "nodes", is_number=False),
            Column("grid", "against GRID", str, sort="against_grid_fraction"),
            Column("local", "against LOCAL", str, sort="against_local_fraction"),
            Column("alone", "LOCAL-LP", str, sort="alone_bound_fraction"),
        ),
        note=(
            "LOCAL-LP: reduction against LOCAL when it plans each node alone with the same slack: what battery "
            "planning and slack, and sleep, bring without any exchange (≤: at most). Where nodes may sleep, "
            '"x to y %" is the reduction of the plan found and the most that any plan can reach; the interval runs '
            "from the lower end of the first to the upper end of the second. More than "
            f"{percent(fig5.UNDECIDED_FRACTION, 0)} apart they leave it undecided. The CSV has both with the interval "
            "of each; a slot is an hour."
        ),
        shown=shown,
    )
