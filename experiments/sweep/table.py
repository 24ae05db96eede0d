"""The table of a sweep: a row for each cell, policy and seed; and, apart from it, the runs that failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from carbon_data.files.whole import whole_file
from experiments.report.measures import Totals
from experiments.sweep.axes import shown
from experiments.sweep.files import FAILURES, TABLE, TABLE_CSV
from experiments.sweep.plan import Plan
from experiments.sweep.store import Result

RUN = ("cell", "policy", "seed")
"""What tells rows apart, besides the axes."""
FIGURES = tuple(field.name for field in fields(Totals) if field.name not in RUN)
_WHOLE = {field.name for field in fields(Totals) if str(field.type) in ("int", "int | None")}
Run = tuple[int, str, int]
"""Cell, policy and seed."""


def table_of(plan: Plan, results: Mapping[Run, Result]) -> pd.DataFrame:
    """Columns: cell, axes, policy, seed, figures with their units in the names. Null: not measured. Rows in order."""
    runs = sorted(results, key=lambda run: (run[0], plan.policies.index(run[1]), run[2]))
    columns: dict[str, Any] = {"cell": pd.array([cell for cell, _, _ in runs], dtype="int64")}
    for place, axis in enumerate(plan.axes):
        columns[axis.key] = _axis_column([plan.cells[cell][place] for cell, _, _ in runs])
    columns["policy"] = [policy for _, policy, _ in runs]
    columns["seed"] = pd.array([seed for _, _, seed in runs], dtype="int64")
    for name in FIGURES:
        values = pd.Series([results[run].get(name) for run in runs], dtype=object)
        columns[name] = values.astype("Int64" if name in _WHOLE else "Float64")
    return pd.DataFrame(columns)


def _axis_column(values: Sequence[Any]) -> Any:
    """Numbers and truths as such; all else, and mixtures, as texts."""
    kinds = {type(value) for value in values}
    if kinds == {bool} or kinds == {int}:
        return list(values)
    if kinds and kinds <= {int, float}:
        return [float(value) for value in values]
    return [shown(value) for value in values]


def failures_of(plan: Plan, failed: Mapping[Run, str]) -> pd.DataFrame:
    """Columns: cell, axes, policy, seed, why."""
    runs = sorted(failed, key=lambda run: (run[0], plan.policies.index(run[1]), run[2]))
    rows = [
        [cell, *map(shown, plan.cells[cell]), policy, seed, failed[cell, policy, seed]]
        for cell, policy, seed in runs
    ]
    return pd.DataFrame(rows, columns=["cell", *(axis.key for axis in plan.axes), "policy", "seed", "why"])


def write_tables(table: pd.DataFrame, failures: pd.DataFrame, folder: Path) -> None:
    """The same tables give the same files, byte for byte."""
    with whole_file(folder / TABLE) as draft:
        table.to_parquet(draft.absolute(), index=False)
    with whole_file(folder / TABLE_CSV) as draft:
        table.to_csv(draft, index=False)
    if len(failures):
        with whole_file(folder / FAILURES) as draft:
            failures.to_csv(draft, index=False)
    else:
        (folder / FAILURES).unlink(missing_ok=True)


def unmoved_axes(plan: Plan, table: pd.DataFrame) -> tuple[str, ...]:
    """Axes of a grid on which no figure depends: rows that differ in them alone are equal."""
    if plan.random or table.empty:
        return ()
    found = []
    for axis in plan.axes:
        rest = [other.key for other in plan.axes if other is not axis] + ["policy", "seed"]
        groups = table.groupby(rest, sort=False, dropna=False)
        # Exact equality: these are copies of one run, or they are not.
        if groups.size().max() > 1 and (groups[list(FIGURES)].nunique(dropna=False) <= 1).to_numpy().all():
            found.append(axis.key)
    return tuple(found)
