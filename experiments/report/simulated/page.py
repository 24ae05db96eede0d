"""The page of a simulated period, its figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report.simulated.figures import drawings
from experiments.report.simulated.totals import Simulated
from experiments.report.study_page import Shown, render_study
from experiments.report.style import policy_label
from experiments.report.units import count, grams, kwh, percent
from experiments.run_folder.files import FIGURES, REPORT, TABLES


def write_page(run: Simulated, folder: Path) -> Path:
    """Write ``report.html`` with figures (SVG, PDF) and tables (CSV); returns its path."""
    figures, tables = folder / FIGURES, folder / TABLES
    for made in (figures, tables):
        made.mkdir(exist_ok=True)
    shown = []
    for drawing in drawings(run):
        svg = drawing.svg()
        drawing.save(figures, svg)
        drawing.data.to_csv(tables / f"{drawing.name}.csv", index=False)
        shown.append((drawing, svg))
    total = run.total
    step_s = float(run.metadata["trace_step_s"])
    page = render_study(
        "experiments.report.simulated",
        f"{run.nodes} nodes, {len(run.slots)} slots from {run.metadata['start']}: the nodes used "
        f"{kwh(total['demand_j'])}, {percent(_share(total['green_j'], total['demand_j']))} of it harvested, and "
        f"emitted {grams(total['operational_g'])}; network, coordinator and router {grams(run.shared_g)}.",
        shown,
        [("Totals", _totals(run)), ("By zone", _zones(run)), ("By month", _months(run)), *_exchange(run)],
        name=run.metadata["name"],
        policy=policy_label(str(run.metadata["policy"])),
        days=f"{len(run.slots) * step_s / 86_400:g}",
        assumptions=run.metadata["assumptions"],
    )
    (folder / REPORT).write_text(page, encoding="utf-8")
    return folder / REPORT


def as_json(run: Simulated) -> dict[str, Any]:
    """Totals, for ``--json``."""
    total = run.total
    return {
        "policy": run.metadata["policy"],
        "seed": run.metadata["seed"],
        "nodes": run.nodes,
        "slots": len(run.slots),
        **{name: float(total[name]) for name in total.index},
        "shared_g": run.shared_g,
        "self_consumption_fraction": _share(
            total["harvest_j"] - total["curtailed_j"] - total["export_j"], total["harvest_j"]
        ),
        "curtailed_fraction": _share(total["curtailed_j"], total["harvest_j"]),
        "covered_fraction": _share(total["green_j"], total["demand_j"]),
        "released_batches": run.released_batches,
        "unserved_batches": run.unserved_batches,
        "unselected_batches": run.unselected_batches,
        "moved_batches": float(run.exchange["batches"].sum()),
        "decided": run.statuses,
        "grams_by_month": {
            str(month): float(row["operational_g"] + row["shared_g"]) for month, row in run.months.iterrows()
        },
    }


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole > 0 else None


def rows_of_totals(run: Simulated) -> list[list[str]]:
    """Names and values, for page and terminal."""
    facts = as_json(run)
    return [
        ["demand of the nodes", kwh(facts["demand_j"])],
        ["from the grid", kwh(facts["grid_j"])],
        ["harvested", kwh(facts["harvest_j"])],
        ["self-consumption (share of harvest)", percent(facts["self_consumption_fraction"])],
        ["given to other nodes", kwh(facts["export_j"])],
        ["curtailed (share of harvest)", percent(facts["curtailed_fraction"])],
        ["demand met by harvest", percent(facts["covered_fraction"])],
        ["emissions of the nodes", grams(facts["operational_g"])],
        ["network, coordinator, router", grams(facts["shared_g"])],
        ["batches released", count(facts["released_batches"])],
        ["batches moved", count(facts["moved_batches"])],
        ["batches unserved", count(facts["unserved_batches"])],
        *([["batches not asked for", count(left)]] if (left := facts["unselected_batches"]) else []),
        ["slots decided", ", ".join(f"{slots} {status}" for status, slots in facts["decided"].items())],
    ]


def _totals(run: Simulated) -> Shown:
    return Shown(["what", "value"], rows_of_totals(run))


def _energy_row(name: str, row: pd.Series, *more: str) -> list[str]:
    return [
        name,
        *(kwh(row[column]) for column in ("demand_j", "grid_j", "harvest_j", "export_j", "import_j")),
        percent(_share(row["curtailed_j"], row["harvest_j"])),
        percent(_share(row["green_j"], row["demand_j"])),
        grams(row["operational_g"]),
        *more,
    ]


COLUMNS = [
    "demand",
    "grid",
    "harvest",
    "given",
    "received",
    "curtailed",
    "demand met by harvest",
    "nodes' emissions",
]


def _zones(run: Simulated) -> Shown:
    return Shown(["zone", *COLUMNS], [_energy_row(str(zone), row) for zone, row in run.zones.iterrows()])


def _months(run: Simulated) -> Shown:
    rows = [_energy_row(str(month), row, grams(row["shared_g"])) for month, row in run.months.iterrows()]
    return Shown(["month", *COLUMNS, "shared emissions"], rows)


def _exchange(run: Simulated) -> list[tuple[str, Shown]]:
    if run.exchange.empty:
        return []
    rows = [
        [str(row["from"]), str(row["to"]), kwh(row["sent_j"]), kwh(row["received_j"]), count(row["batches"])]
        for row in run.exchange.to_dict("records")
    ]
    return [("Exchange by zone", Shown(["from", "to", "sent", "arrived", "batches"], rows))]
