"""What a sweep says at its end: a table for people, an object for scripts."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape

from experiments.fitting_table import FittingTable
from experiments.report.stats import estimate
from experiments.report.style import policy_label
from experiments.report.units import grams
from experiments.sweep.files import FAILURES, PAGE, TABLE, TABLE_CSV
from experiments.sweep.sweep import Swept
from experiments.sweep.table import unmoved_axes

ROWS = 24
"""Rows that a terminal shows; the table has all."""


def as_dict(swept: Swept) -> dict[str, Any]:
    """What ``--json`` prints."""
    page = swept.folder / PAGE
    return {
        "run": str(swept.folder),
        "table": str(swept.folder / TABLE),
        "csv": str(swept.folder / TABLE_CSV),
        "report": str(page) if page.exists() else None,
        "axes": {axis.key: list(axis.values) for axis in swept.plan.axes},
        "cells": len(swept.plan.cells),
        "policies": list(swept.plan.policies),
        "seeds": list(swept.plan.seeds),
        "runs": swept.plan.runs,
        "computed": swept.computed,
        "unmoved": list(unmoved_axes(swept.plan, swept.table)),
        "failed": swept.failed,
    }


def print_summary(swept: Swept, console: Console) -> None:
    """Emissions of every cell and policy over the seeds, and where all figures are."""
    plan, table = swept.plan, swept.table
    last = [axis.key.rpartition(".")[2] for axis in plan.axes]
    names = [
        (name if last.count(name) == 1 else axis.key).replace("_", " ")  # headings break at words
        for axis, name in zip(plan.axes, last, strict=True)
    ]
    shown = FittingTable(
        title=f"{plan.name}: {len(plan.cells)} cells, {len(plan.seeds)} seeds",
        keep=(*names, "policy", "emissions"),
        more=f"{TABLE_CSV} has all",
    )
    for name in names:
        shown.add_column(name)
    for name in ("policy", "emissions", "95 %", "nodes' emissions"):
        shown.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    groups = list(table.groupby(["cell", "policy"], sort=False))
    for (_, policy), rows in groups[:ROWS]:
        found = estimate(list(rows["emissions_g"]))
        span = "" if found.low is None or found.high is None else f"{grams(found.low)} to {grams(found.high)}"
        values = [escape(str(rows[axis.key].iloc[0])) for axis in plan.axes]
        nodes = grams(float(rows["nodes_g"].mean()))
        shown.add_row(*values, policy_label(str(policy)), grams(found.mean), span, nodes)
    if groups:
        console.print(shown)
    if len(groups) > ROWS:
        console.print(f"and {len(groups) - ROWS} more rows in {TABLE_CSV}", highlight=False)
    for key in unmoved_axes(plan, table):
        console.print(f"no figure depends on {key}", markup=False, highlight=False)
    page = swept.folder / PAGE
    for what, path in (
        ("table", swept.folder / TABLE),
        ("report", page),
        ("failures", swept.folder / FAILURES),
    ):
        if path.exists():
            console.print(f"{what}: {path}", markup=False, highlight=False, soft_wrap=True)
