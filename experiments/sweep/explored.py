"""What the page of a sweep knows: every cell's figures over its seeds, as mean and 95 % interval (Student's t)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from experiments.report.stats import estimate
from experiments.report.style import policy_colour, policy_label
from experiments.sweep.axes import shown
from experiments.sweep.plan import Plan
from experiments.sweep.table import FIGURES

UNITS = {
    "_bit_per_j": "bit/J",
    "_bytes": "bytes",
    "_g": "g CO2e",
    "_j": "J",
}
"""By the end of a figure's name."""
PARTS = {"tree": "TREE", "ee": "energy efficiency"}
MOST_BYTES = 1_900_000
"""Of the figures in the page, which has less than 3 MB with its libraries. Those that find no room are in the table."""


def label(figure: str) -> str:
    """A figure's name for people, with its unit."""
    for end, unit in UNITS.items():
        if figure.endswith(end):
            return f"{_words(figure.removesuffix(end))} ({unit})"
    return f"{_words(figure)} (fraction)" if figure == "accuracy" else _words(figure)


def _words(name: str) -> str:
    return " ".join(PARTS.get(part, part) for part in name.split("_"))


def explored(plan: Plan, table: pd.DataFrame) -> dict[str, Any]:
    """Plain values for the page's script. ``estimates``: by policy and figure, for every cell: mean, low, high, number
    of seeds; low and high are null with one seed, all is null without a run."""
    figures = [name for name in FIGURES if table[name].notna().any()]
    kept, estimates = _within(plan, table, figures)
    return {
        "name": plan.name,
        "axes": [
            {"key": axis.key, "values": _values(plan, place), "numeric": _is_numeric(plan, place)}
            for place, axis in enumerate(plan.axes)
        ],
        "random": plan.random,
        "cells": [_cell(plan, values) for values in plan.cells],
        "policies": [
            {"name": name, "label": policy_label(name), "colour": policy_colour(name)}
            for name in plan.policies
        ],
        "seeds": len(plan.seeds),
        "figures": [{"name": name, "label": label(name)} for name in kept],
        "left_out": [label(name) for name in figures if name not in kept],
        "estimates": estimates,
    }


def _is_numeric(plan: Plan, place: int) -> bool:
    return all(
        isinstance(values[place], int | float) and not isinstance(values[place], bool)
        for values in plan.cells
    )


def _cell(plan: Plan, values: Sequence[Any]) -> list[Any]:
    return [
        value if _is_plain(value) and plan_numeric else shown(value)
        for value, plan_numeric in zip(
            values, (_is_numeric(plan, k) for k in range(len(values))), strict=True
        )
    ]


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(plan: Plan, place: int) -> list[Any]:
    """Of an axis, as in the cells, in the order in which they were given; drawn ones in rising order."""
    numeric = _is_numeric(plan, place)
    found = dict.fromkeys(values[place] if numeric else shown(values[place]) for values in plan.cells)
    return sorted(found) if plan.random and numeric else list(found)


def _within(
    plan: Plan, table: pd.DataFrame, figures: Sequence[str]
) -> tuple[list[str], dict[str, dict[str, list[Any]]]]:
    """The first of ``figures`` that fit, and what the page has of them."""
    kept: list[str] = []
    found: dict[str, dict[str, list[Any]]] = {policy: {} for policy in plan.policies}
    used = 0
    groups = {name: list(of.groupby("cell", sort=True)) for name, of in table.groupby("policy", sort=False)}
    for figure in figures:
        by_policy = {name: _by_cell(len(plan.cells), groups.get(name, []), figure) for name in plan.policies}
        used += len(json.dumps(by_policy))
        if used > MOST_BYTES and kept:
            break
        kept.append(figure)
        for name, values in by_policy.items():
            found[name][figure] = values
    return kept, found


def _by_cell(cells: int, groups: Sequence[Any], figure: str) -> list[Any]:
    found: list[Any] = [None] * cells
    for cell, rows in groups:
        values = rows[figure].dropna()
        if len(values):
            of = estimate([float(value) for value in values])
            ends = [None if end is None else _short(end) for end in (of.low, of.high)]
            found[int(cell)] = [_short(of.mean), *ends, of.n]
    return found


def _short(value: float) -> float:
    return float(f"{value:.6g}")
