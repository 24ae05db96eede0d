"""Table of every node's meter: what it read, and how well."""

from __future__ import annotations

import pandas as pd

from experiments.report import style, units
from experiments.report.measured import HALF_WIDTH, measured
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table

READING = ["meter_rate_hz", "meter_coverage_fraction", "meter_gaps"]


def table(study: Study) -> Table | None:
    """One row per node of the run in focus; None where no node has a sensor."""
    run = study.any_run
    if HALF_WIDTH not in run.tables["lines"] or run.tables["slots"][READING[0]].isna().all():
        return None
    frame = pd.DataFrame([_node(run, node) for node in run.tables["nodes"]["node_id"]])
    return Table(
        "meters",
        f"Meters under {style.policy_label(run.policy)}, seed {run.seed}",
        frame,
        (
            Column("node_id", "node", is_number=False),
            Column("meter", "meter", is_number=False),
            Column("kind", "kind", is_number=False),
            Column("demand_j", "energy", units.joules),
            Column("half_width_j", "± (95 %)", lambda value: units.joules(value, 2)),
            Column("slots", "slots", units.count),
            Column("missing_slots", "without reading", units.count),
            Column("least_coverage_fraction", "least covered", units.percent),
            Column("gaps", "gaps", units.count),
            Column("median_rate_hz", "samples per second", units.number),
        ),
        note=(
            "Energy and interval of the slots that have a reading. Noise of windows averages out, a sensor's step does "
            "not; calibration is not in it. Estimates and modelled readings have no interval: a dash is not zero."
        ),
    )


def _node(run: Run, node: str) -> dict[str, object]:
    slots = run.tables["slots"][run.tables["slots"]["node_id"] == node]
    booked = slots[slots["metered"]]
    lines = run.tables["lines"][run.tables["lines"]["node_id"] == node]
    registered = run.tables["nodes"].set_index("node_id").loc[node]
    whole = len(booked) > 0 and bool(booked["demand_half_width_j"].notna().all())
    found = measured(lines) if whole else None
    rate, covered, gaps = (booked[name].dropna().astype(float) for name in READING)
    return {
        "node_id": node,
        "meter": registered.get("meter"),
        "kind": ", ".join(sorted(booked["meter_kind"].dropna().unique())) or None,
        "demand_j": float(booked["demand_j"].sum()) if len(booked) else None,
        "half_width_j": None if found is None else found.half_width,
        "slots": len(booked),
        "missing_slots": len(slots) - len(booked),
        "least_coverage_fraction": float(covered.min()) if len(covered) else None,
        "gaps": int(gaps.sum()) if len(gaps) else None,
        "median_rate_hz": float(rate.median()) if len(rate) else None,
    }
