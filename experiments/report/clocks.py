"""Table of every node's clock, on the wall clock: how far it is from the coordinator's, and how well that is known."""

from __future__ import annotations

import pandas as pd

from experiments.report import style, units
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table

OFFSET, UNCERTAINTY = "clock_offset_s", "clock_uncertainty_s"


def table(study: Study) -> Table | None:
    """One row per node of the run in focus; None where no clock was measured."""
    run = study.any_run
    slots = run.tables["slots"]
    if OFFSET not in slots or slots[OFFSET].isna().all():
        return None
    frame = pd.DataFrame([_node(run, node) for node in run.tables["nodes"]["node_id"]])
    return Table(
        "clocks",
        f"Clocks under {style.policy_label(run.policy)}, seed {run.seed}",
        frame,
        (
            Column("node_id", "node", is_number=False),
            Column("offset_s", "ahead of the coordinator's", _seconds),
            Column("uncertainty_s", "± (at most)", _seconds),
            Column("moved_s", "moved during the run", _seconds),
        ),
        note=(
            "Monotonic clocks: an offset says nothing but when a machine was switched on. Of 16 ways to the node and "
            "back half of the shortest is the uncertainty, the largest of the run is shown; a slot is refused above a "
            "tenth of it. Slots are ordered by the ledger, never by a clock."
        ),
    )


def _node(run: Run, node: str) -> dict[str, object]:
    rows = run.tables["slots"][run.tables["slots"]["node_id"] == node]
    known = rows[rows[OFFSET].notna()]
    offsets = known[OFFSET].astype(float)
    return {
        "node_id": node,
        "offset_s": float(offsets.iloc[-1]) if len(known) else None,
        "uncertainty_s": float(known[UNCERTAINTY].astype(float).max()) if len(known) else None,
        "moved_s": float(offsets.iloc[-1] - offsets.iloc[0]) if len(known) else None,
    }


def _seconds(value: object) -> str:
    return (
        units.NO_VALUE
        if units.missing(value)
        else f"{float(str(value)):.6f}".replace("-", units.MINUS) + " s"
    )
