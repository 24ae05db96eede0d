"""The pictures that a sweep starts with, as SVG and PDF: emissions along the first axis, and a map of the first two."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report.figures.base import Drawing, new_figure
from experiments.report.figures.look import look
from experiments.report.stats import estimate
from experiments.report.style import MUTED, policy_colour, policy_label, policy_marker
from experiments.sweep.axes import shown
from experiments.sweep.explored import label
from experiments.sweep.plan import Plan

FIGURE = "emissions_g"
BAND = "Band or bar: 95 % interval of the mean over paired seeds (Student's t)."


def pictures(plan: Plan, table: pd.DataFrame) -> list[Drawing]:
    """None without axes or without a run."""
    if not plan.axes or table.empty:
        return []
    first = _first(plan)
    others = [axis.key for axis in plan.axes if axis.key != first]
    found = [_lines(plan, table, first, others)]
    if others and not plan.random:
        found.append(_map(plan, table, first, others))
    return found


def _first(plan: Plan) -> str:
    """The first axis with several numbers, else the first."""
    numeric = (
        axis.key
        for axis in plan.axes
        if len(axis.values) > 1 and all(type(value) in (int, float) for value in axis.values)
    )
    return next(numeric, plan.axes[0].key)


def _sliced(plan: Plan, table: pd.DataFrame, free: list[str]) -> tuple[pd.DataFrame, str]:
    """Rows at the first value of every axis that is not ``free``, and what was held."""
    if plan.random:
        return table, ""
    held = []
    for axis in plan.axes:
        if axis.key not in free and len(axis.values) > 1:
            value = table[axis.key].iloc[0]
            table = table[table[axis.key] == value]
            held.append(f"{axis.key} = {shown(axis.values[0])}")
    return table, f" At {', '.join(held)}." if held else ""


def _estimates(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    found = []
    for value, of in rows.groupby(by, sort=False):
        one = estimate([float(each) for each in of[FIGURE]])
        found.append((value, one.mean, one.low, one.high))
    return pd.DataFrame(found, columns=[by, "mean", "low", "high"])


def _lines(plan: Plan, table: pd.DataFrame, x: str, others: list[str]) -> Drawing:
    rows, held = _sliced(plan, table, [x])
    data = []
    with look():
        figure = new_figure(3.6)
        ax = figure.subplots()
        for policy in plan.policies:
            of = _estimates(rows[rows["policy"] == policy], x)
            if of.empty:
                continue
            data.append(of.assign(policy=policy))
            _series(ax, of, x, policy, joined=not plan.random)
        ax.set_xlabel(x)
        ax.set_ylabel(label(FIGURE))
        if len(plan.policies) > 1:
            ax.legend(frameon=False)
    return Drawing(
        name="lines",
        title=f"Emissions along {x}",
        caption=f"Mean over {len(plan.seeds)} seeds. {BAND}{held}",
        alt=f"Emissions of each policy against {x}",
        figure=figure,
        data=pd.concat(data, ignore_index=True),
    )


def _series(ax: Any, of: pd.DataFrame, x: str, policy: str, joined: bool) -> None:
    numeric = pd.api.types.is_numeric_dtype(of[x]) and of[x].dtype != bool
    places = of[x].to_numpy(dtype=float) if numeric else [str(value) for value in of[x]]
    colour, name = policy_colour(policy), policy_label(policy)
    marker = policy_marker(policy)
    spread = of["low"].notna().all()
    if numeric and joined:
        ax.plot(places, of["mean"], color=colour, marker=marker, label=name)
        if spread:
            ax.fill_between(
                places, of["low"].astype(float), of["high"].astype(float), color=colour, alpha=0.18, lw=0
            )
        return
    half = (of["high"] - of["mean"]).astype(float) if spread else None
    ax.errorbar(places, of["mean"], yerr=half, color=colour, marker=marker, ls="none", capsize=3, label=name)


def _map(plan: Plan, table: pd.DataFrame, x: str, others: list[str]) -> Drawing:
    y, policy = others[0], plan.policies[-1]
    rows, held = _sliced(plan, table[table["policy"] == policy], [x, y])
    grid = rows.pivot_table(
        index=y, columns=x, values=FIGURE, aggfunc="mean", sort=False, observed=True
    ).astype(float)
    with look():
        figure = new_figure(3.6)
        ax = figure.subplots()
        image = ax.imshow(grid.to_numpy(), aspect="auto", origin="lower", cmap="viridis")
        ax.grid(False)
        for axis, values in ((ax.xaxis, grid.columns), (ax.yaxis, grid.index)):
            step = -(-len(values) // 12)
            axis.set_ticks(range(0, len(values), step), [shown(value) for value in values[::step]])
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        bar = figure.colorbar(image, ax=ax)
        bar.set_label(label(FIGURE))
        bar.outline.set_edgecolor(MUTED)  # type: ignore[operator]
    return Drawing(
        name="map",
        title=f"Emissions over {x} and {y}: {policy_label(policy)}",
        caption=f"Mean over {len(plan.seeds)} seeds.{held}",
        alt=f"Heat map of emissions of {policy_label(policy)} over {x} and {y}",
        figure=figure,
        data=grid.reset_index().melt(id_vars=y, var_name=x, value_name="mean"),
    )
