"""A study's folder: tables, figures, page, and the checks as JSON. Where they lie is stated here once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.report.figures.base import Drawing
from experiments.run_folder.files import FIGURES, REPORT, TABLES

CHECKS = "checks.json"
Drawn = list[tuple[Drawing, str]]
"""Each drawing with its SVG."""


def write_study(
    folder: Path,
    report: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    drawings: Sequence[Drawing],
    page: Callable[[Drawn], str],
) -> dict[str, Any]:
    """Write all of it; returns ``report`` with the paths of ``tables`` and ``figures`` by name, of ``page``, and of the
    folder as ``run``. ``page``: HTML of the page that shows these drawings. Raises ValueError for a report with NaN,
    and TypeError for one with something that is no JSON."""
    told = {
        **report,
        "tables": {name: str(folder / TABLES / f"{name}.csv") for name in tables},
        "figures": {drawing.name: str(folder / FIGURES / f"{drawing.name}.svg") for drawing in drawings},
        "page": str(folder / REPORT),
        "run": str(folder),
    }
    (folder / TABLES).mkdir(parents=True, exist_ok=True)
    (folder / FIGURES).mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / TABLES / f"{name}.csv", index=False)
    shown: Drawn = []
    for drawing in drawings:
        svg = drawing.svg()
        drawing.save(folder / FIGURES, svg)
        shown.append((drawing, svg))
    (folder / REPORT).write_text(page(shown), encoding="utf-8")
    (folder / CHECKS).write_text(
        json.dumps(told, indent=2, allow_nan=False, default=_number) + "\n", encoding="utf-8"
    )
    return told


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: what is not known is null."""
    return [
        {
            str(name): None if isinstance(value, float) and np.isnan(value) else value
            for name, value in row.items()
        }
        for row in table.to_dict("records")
    ]


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")
