"""Table of panels' sensors: what harvest was measured, and how well."""

from __future__ import annotations

import pandas as pd

from carbon_data.intervals import of_windows
from experiments.report import style, units
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table

KIND = "harvest_kind"


def table(study: Study) -> Table | None:
    """One row per node of the run in focus whose harvest was measured; None where none was."""
    run = study.any_run
    slots = run.tables["slots"]
    if KIND not in slots or slots[KIND].isna().all():
        return None
    measured = slots[slots[KIND].notna()]["node_id"].unique()
    frame = pd.DataFrame([_node(run, node) for node in measured])
    return Table(
        "harvest_meters",
        f"Measured harvest under {style.policy_label(run.policy)}, seed {run.seed}",
        frame,
        (
            Column("node_id", "node", is_number=False),
            Column("kind", "kind", is_number=False),
            Column("harvest_j", "harvest", units.joules),
            Column("half_width_j", "± (95 %)", lambda value: units.joules(value, 2)),
            Column("slots", "slots", units.count),
            Column("missing_slots", "without reading", units.count),
            Column("least_coverage_fraction", "least covered", units.percent),
        ),
        note=(
            "Harvest of nodes that are not here is that of their series. A slot whose panel was not read is a gap of "
            "its node, and never zero."
        ),
    )


def _node(run: Run, node: str) -> dict[str, object]:
    slots = run.tables["slots"][run.tables["slots"]["node_id"] == node]
    rows = slots[slots[KIND].notna()]
    widths = zip(
        rows["harvest_half_width_j"].astype(float), rows["harvest_bias_j"].astype(float), strict=True
    )
    return {
        "node_id": node,
        "kind": ", ".join(sorted(rows[KIND].unique())),
        "harvest_j": float(rows["harvest_j"].astype(float).sum()),
        "half_width_j": of_windows(widths)[0],
        "slots": len(rows),
        "missing_slots": len(slots) - int(slots["metered"].sum()),
        "least_coverage_fraction": float(rows["harvest_coverage_fraction"].astype(float).min()),
    }
