"""Table of batteries' gauges: how often they were read, and how far readings were from the batteries' models."""

from __future__ import annotations

import pandas as pd

from experiments.report import style, units
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table

READ, DRIFT = "battery_read_j", "battery_drift_j"


def table(study: Study) -> Table | None:
    """One row per node of the run in focus whose battery was read; None where none was."""
    run = study.any_run
    slots = run.tables["slots"]
    if READ not in slots or slots[READ].isna().all():
        return None
    read = slots[slots[READ].notna()]["node_id"].unique()
    return Table(
        "battery_gauges",
        f"Measured batteries under {style.policy_label(run.policy)}, seed {run.seed}",
        pd.DataFrame([_node(run, node) for node in read]),
        (
            Column("node_id", "node", is_number=False),
            Column("capacity_j", "capacity", units.joules),
            Column("first_read_j", "first reading", units.joules),
            Column("last_read_j", "last reading", units.joules),
            Column("drift_j", "drift", units.joules),
            Column("slots", "slots read", units.count),
            Column("missing_slots", "without reading", units.count),
        ),
        note=(
            "Readings are taken before a slot. Drift is the sum of what they went beyond the battery's flows (below "
            "zero: less was left), booked as adjustments: the error of the battery's model. A slot without a reading "
            "goes on by the model. Batteries that are not here have no gauge."
        ),
    )


def _node(run: Run, node: str) -> dict[str, object]:
    slots = run.tables["slots"][run.tables["slots"]["node_id"] == node].sort_values("slot")
    read = slots[READ].dropna().astype(float)
    own = run.tables["nodes"][run.tables["nodes"]["node_id"] == node].iloc[0]
    return {
        "node_id": node,
        "capacity_j": float(own["battery_capacity_j"]),
        "first_read_j": float(read.iloc[0]),
        "last_read_j": float(read.iloc[-1]),
        "drift_j": float(own[DRIFT]),
        "slots": len(read),
        "missing_slots": len(slots) - len(read),
    }
