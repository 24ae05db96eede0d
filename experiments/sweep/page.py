"""The page of a sweep: one file, nothing loaded from afar, on which people choose axes, figure and policy."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from carbon_data.files.whole import whole_file
from experiments.report.study_page import render_study
from experiments.report.style import policy_label
from experiments.report.vendor import charts
from experiments.run_folder.files import FIGURES
from experiments.sweep.axes import shown
from experiments.sweep.explored import explored
from experiments.sweep.files import FAILURES, PAGE, TABLE, TABLE_CSV
from experiments.sweep.pictures import pictures
from experiments.sweep.sweep import Swept
from experiments.sweep.table import unmoved_axes


def write_page(swept: Swept) -> Path:
    """Write ``sweep.html`` and the default pictures (SVG, PDF); returns the page's path."""
    plan, folder = swept.plan, swept.folder
    drawings = pictures(plan, swept.table)
    if drawings:
        (folder / FIGURES).mkdir(exist_ok=True)
    for drawing in drawings:
        drawing.save(folder / FIGURES, drawing.svg())
    told = explored(plan, swept.table)
    page = render_study(
        "experiments.sweep",
        f"{len(plan.cells)} cells, {len(plan.policies)} {'policy' if len(plan.policies) == 1 else 'policies'}, "
        f"{len(plan.seeds)} paired {'seed' if len(plan.seeds) == 1 else 'seeds'}: {plan.runs} runs. All figures are in "
        f"{TABLE} and {TABLE_CSV}"
        + (f", the first pictures as SVG and PDF in {FIGURES}/." if drawings else "."),
        [],
        [],
        name=plan.name,
        notices=_notices(swept, told["left_out"]),
        facts=_facts(swept),
        charts=charts(),
        data=json.dumps(told, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        script=(files("experiments.sweep") / "page.js").read_text(encoding="utf-8"),
    )
    with whole_file(folder / PAGE) as draft:
        draft.write_text(page, encoding="utf-8")
    return folder / PAGE


def _notices(swept: Swept, left_out: list[str]) -> list[str]:
    found = []
    if swept.failed:
        found.append(
            f"{len(swept.failed)} runs failed and are in no figure: {FAILURES} has them with the reason."
        )
    if left_out:
        found.append(f"Too many cells for all figures on one page; in {TABLE} alone: {', '.join(left_out)}.")
    found += [f"No figure depends on {key}." for key in unmoved_axes(swept.plan, swept.table)]
    return found


def _facts(swept: Swept) -> list[tuple[str, str]]:
    plan = swept.plan
    axes = [
        (axis.key, f"{shown(axis.values[0])} to {shown(axis.values[1])}, drawn")
        if axis.interval
        else (
            axis.key,
            ", ".join(shown(value) for value in axis.values[:40]) + (" ..." if len(axis.values) > 40 else ""),
        )
        for axis in plan.axes
    ]
    return [
        ("design", "Latin hypercube" if plan.random else "grid"),
        *axes,
        ("policies", ", ".join(policy_label(name) for name in plan.policies)),
        ("seeds", f"{plan.seeds[0]} to {plan.seeds[-1]}"),
    ]
