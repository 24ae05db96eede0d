"""Data of the page's pictures that people steer: time series and flows of every run, by policy, seed, node and slot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from experiments.report import style
from experiments.report.figures.groups import group_names, grouping
from experiments.report.read import Run, Study

FIGURES = (
    ("grid_j", "energy from the grid", "J", "sum"),
    ("demand_j", "energy used", "J", "sum"),
    ("green_j", "energy from harvest and transfers", "J", "sum"),
    ("harvest_j", "energy harvested", "J", "sum"),
    ("curtailed_j", "harvest that nothing could take", "J", "sum"),
    ("battery_after_j", "stored energy", "J", "sum"),
    ("operational_g", "emissions", "g CO₂e", "sum"),
    ("intensity_g_per_kwh", "intensity of the grid", "g CO₂e per kWh", "mean"),
    ("executed_batches", "batches executed", "batches", "sum"),
    ("offloaded_batches", "batches that others executed", "batches", "sum"),
    ("requests", "requests answered", "requests", "sum"),
)
"""Column of ``slots``, its words, its unit, and how nodes of a group are taken together."""
NUMBERS_AT_MOST = 150_000
"""In the page: about a megabyte. Further seeds stay in their folders."""
FLOWS = (
    ("energy", "energy transfers", "J", "energy_flows", ("donor", "recipient"), "sent_j"),
    ("batches", "moved batches", "batches", "batch_flows", ("owner", "executor"), "batches"),
)


def explored(study: Study) -> dict[str, Any]:
    """What the page's script draws from. Numbers have four digits; null is missing."""
    first = study.any_run
    group_of, groups, kind = grouping(first.tables["nodes"], first.node_ids)
    slots = first.tables["slots"].drop_duplicates("slot").sort_values("slot")
    figures = [each for each in FIGURES if each[0] in first.tables["slots"]]
    shown, left_out = _runs(study, len(figures) * len(groups) * len(slots))
    names = group_names(first, groups)
    return {
        "kind": kind,
        "groups": [names[group] for group in groups],
        "slots": [int(slot) for slot in slots["slot"]],
        "times": [time.isoformat() for time in slots["time"]],
        "stages": slots["stage"].tolist(),
        "figures": [
            {"name": name, "label": f"{label}, {unit}", "together": how} for name, label, unit, how in figures
        ],
        "flows": [{"name": name, "label": f"{label}, {unit}"} for name, label, unit, *_ in FLOWS],
        "policies": [
            {"name": name, "label": style.policy_label(name), "colour": style.policy_colour(name)}
            for name in study.policies
        ],
        "focus": study.focus,
        "runs": [
            {
                "policy": run.policy,
                "seed": run.seed,
                "series": {name: _series(run, name, how, group_of, groups) for name, _, _, how in figures},
                "flows": {flow[0]: _flows(run, flow, group_of, groups) for flow in FLOWS},
            }
            for run in shown
        ],
        "left_out": [f"{run.policy}, seed {run.seed}" for run in left_out],
    }


def _runs(study: Study, numbers: int) -> tuple[list[Run], list[Run]]:
    """Runs that the page has room for, whole seeds first, and the others."""
    ordered = [
        study.runs[policy][seed]
        for seed in study.seeds
        for policy in study.policies
        if seed in study.runs[policy]
    ]
    room = max(1, NUMBERS_AT_MOST // max(1, numbers))
    return ordered[:room], ordered[room:]


def _series(
    run: Run, column: str, how: str, group_of: dict[str, str], groups: list[str]
) -> list[list[float | None]]:
    """A list for each group, a number for each slot."""
    slots = run.tables["slots"]
    grouped = slots.assign(group=slots["node_id"].map(group_of)).groupby(["group", "slot"])[column]
    found = grouped.sum(min_count=1) if how == "sum" else grouped.mean()
    frame = found.unstack("slot").reindex(groups)
    return [[_short(value) for value in row] for row in frame.to_numpy(dtype=np.float64, na_value=np.nan)]


def _flows(
    run: Run,
    flow: tuple[str, str, str, str, tuple[str, str], str],
    group_of: dict[str, str],
    groups: list[str],
) -> list[list[float | None]]:
    """(slot, from, to, amount), groups by their place; nothing that stays within a node."""
    _, _, _, name, (source, target), amount = flow
    table = run.tables[name]
    if "status" in table:
        table = table[table["status"] == "posted"]
    table = table[table[source] != table[target]]
    place = {group: at for at, group in enumerate(groups)}
    sums = (
        pd.DataFrame(
            {
                "slot": table["slot"],
                "source": table[source].map(group_of).map(place),
                "target": table[target].map(group_of).map(place),
                "amount": table[amount],
            }
        )
        .groupby(["slot", "source", "target"])["amount"]
        .sum()
        .reset_index()
    )
    return [
        [int(slot), int(start), int(end), _short(value)]
        for slot, start, end, value in sums.itertuples(index=False)
    ]


def _short(value: Any) -> float | None:
    return None if pd.isna(value) else float(f"{float(value):.4g}")
