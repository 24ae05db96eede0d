"""Figures of a twin: modelled against measured joules, and errors by node."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import look
from experiments.report.style import GRID_ENERGY, INK, MUTED, category_colour
from experiments.report.units import joules_scale
from experiments.twin.errors import ACTIVITIES, ALL, Errors
from experiments.twin.replay import ASLEEP, IDLE, Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN = 6.0
"""Narrower than the report's: a phone shows it whole."""
POINTS_AT_MOST = 1_500
NODES_AT_MOST = 24
LOG_FROM = 20.0
"""Axes are logarithmic where the largest window has this many times the joules of the smallest."""
COLOURS = {IDLE: GRID_ENERGY, ASLEEP: "#9c8bd9"}
MARKERS = dict(zip(ACTIVITIES, ("v", "o", "D", "^", "s", "P"), strict=True))


def colour(activity: str) -> str:
    """Of a stage, of idling and of sleep."""
    return COLOURS.get(activity) or category_colour(activity)


@look()
def energy_by_window(windows: Sequence[Window]) -> Drawing:
    """One point a window, with the meter's interval."""
    step = math.ceil(len(windows) / POINTS_AT_MOST)
    shown = windows[::step]
    data = pd.DataFrame(
        {
            "node_id": [each.node_id for each in shown],
            "slot": [each.slot for each in shown],
            "activity": [each.activity for each in shown],
            "measured_j": [each.measured_uj / 1e6 for each in shown],
            "half_width_j": [
                None if each.half_width_uj is None else each.half_width_uj / 1e6 for each in shown
            ],
            "twin_j": [each.twin_uj / 1e6 for each in shown],
        }
    )
    energies = data[["measured_j", "twin_j"]].to_numpy(dtype=float)
    scale = joules_scale(float(energies.max()))
    figure = new_figure(5.2, WIDTH_IN)
    axes = figure.subplots()
    for activity in ACTIVITIES:
        own = data[data["activity"] == activity]
        if own.empty:
            continue
        axes.errorbar(
            own["measured_j"].to_numpy(dtype=float) * scale.factor,
            own["twin_j"].to_numpy(dtype=float) * scale.factor,
            xerr=own["half_width_j"].astype(float).fillna(0.0).to_numpy() * scale.factor,
            fmt=MARKERS[activity],
            ms=5,
            mew=0,
            alpha=0.75,
            elinewidth=1.0,
            color=colour(activity),
            label=activity,
        )
    _diagonal(axes, energies * scale.factor)
    axes.set_xlabel(f"measured, {scale.unit} in a slot")
    axes.set_ylabel(f"twin, {scale.unit} in a slot")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    few = "" if step == 1 else f" One in {step} of {len(windows)} windows is drawn."
    return Drawing(
        name="energy-by-window",
        title="Modelled against measured",
        caption="One point a node and slot. On the line both agree; horizontal bars are the meter's 95 % interval, "
        f"where it has one. Above the line the twin uses more than was read.{few}",
        alt="Points of modelled over measured joules beside the line on which both agree.",
        figure=figure,
        data=data,
    )


def _diagonal(axes: Axes, values: NDArray[np.float64]) -> None:
    low, high = float(values[values > 0].min(initial=values.max())), float(values.max())
    if low > 0 and high > LOG_FROM * low:
        axes.set_xscale("log")
        axes.set_yscale("log")
        ends = low / 1.3, high * 1.3
    else:
        margin = 0.06 * (high - low or high or 1.0)
        ends = max(0.0, low - margin), high + margin
    axes.plot(ends, ends, color=INK, lw=1.0, zorder=0)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")


@look()
def error_by_node(rows: Sequence[Errors], names: Mapping[str, str]) -> Drawing:
    """Signed error of energy by node and activity, beside the meters' interval. ``names``: node -> id with zone."""
    nodes, wanted = _shown(rows, lambda row: row.error_fraction)
    figure = new_figure(1.6 + 0.5 * len(nodes), WIDTH_IN)
    axes = figure.subplots()
    places = {node: place for place, node in enumerate(nodes)}
    for activity in (*ACTIVITIES, ALL):
        own = [row for row in wanted if row.activity == activity and row.error_fraction is not None]
        if not own:
            continue
        offset = ([*ACTIVITIES, ALL].index(activity) - 3) * 0.12
        axes.errorbar(
            [row.error_fraction or 0.0 for row in own],
            [places[row.node_id] + offset for row in own],
            xerr=[(row.half_width_j or 0.0) / row.measured_j for row in own],
            fmt=MARKERS.get(activity, "|"),
            ms=5 if activity in MARKERS else 9,
            mew=0 if activity in MARKERS else 2,
            elinewidth=1.0,
            color=INK if activity == ALL else colour(activity),
            label="all of it" if activity == ALL else activity,
        )
    _rows(axes, nodes, names)
    axes.set_xlabel("error of the twin's energy")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return Drawing(
        name="error-by-node",
        title="Error of energy by node and activity",
        caption="Twin less measured, as a share of what was measured. Bars are the meters' 95 % interval: where one "
        f"does not reach zero, the error is more than the meter's sampling explains.{_more(rows, nodes)}",
        alt="Points left and right of zero: errors of energy by node, one mark an activity.",
        figure=figure,
        data=pd.DataFrame(
            {
                "node_id": [row.node_id for row in wanted],
                "activity": [row.activity for row in wanted],
                "error_fraction": [row.error_fraction for row in wanted],
                "half_width_fraction": [
                    None
                    if row.half_width_j is None or not row.measured_j
                    else row.half_width_j / row.measured_j
                    for row in wanted
                ],
            }
        ),
    )


@look()
def time_by_node(rows: Sequence[Errors], names: Mapping[str, str]) -> Drawing | None:
    """Signed error of times by node; None where no meter measures any. ``names``: node -> id with zone."""
    whole = [row for row in rows if row.activity == ALL]
    nodes, wanted = _shown(whole, lambda row: row.time_error_fraction or row.busy_error_fraction)
    series: tuple[tuple[str, str, Callable[[Errors], float | None]], ...] = (
        ("length of the slots", "o", lambda row: row.time_error_fraction),
        ("seconds of work", "D", lambda row: row.busy_error_fraction),
    )
    if all(value(row) is None for _, _, value in series for row in wanted):
        return None
    figure = new_figure(1.5 + 0.28 * len(nodes), WIDTH_IN)
    axes = figure.subplots()
    places = {node: place for place, node in enumerate(nodes)}
    for (label, marker, value), shade in zip(series, (MUTED, category_colour("development")), strict=True):
        known = [(row, found) for row in wanted if (found := value(row)) is not None]
        if known:
            axes.plot(
                [found for _, found in known],
                [places[row.node_id] for row, _ in known],
                marker,
                ms=6,
                color=shade,
                label=label,
            )
    _rows(axes, nodes, names)
    axes.set_xlabel("error of the twin's time")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return Drawing(
        name="time-by-node",
        title="Error of time by node",
        caption="Twin less measured, as a share of what was measured: how long slots lasted between the meter's edges, "
        f"and how long the board worked, of the readings that say it.{_more(rows, nodes)}",
        alt="Points left and right of zero: errors of time by node.",
        figure=figure,
        data=pd.DataFrame(
            {
                "node_id": [row.node_id for row in wanted],
                "time_error_fraction": [row.time_error_fraction for row in wanted],
                "busy_error_fraction": [row.busy_error_fraction for row in wanted],
            }
        ),
    )


def _shown(rows: Sequence[Errors], size: Callable[[Errors], float | None]) -> tuple[list[str], list[Errors]]:
    """Nodes from top to bottom, all of them first, and their rows: those that err most, where there are many."""
    whole = [row for row in rows if row.activity == ALL and row.node_id != ALL]
    most = sorted(whole, key=lambda row: -abs(size(row) or 0.0))[:NODES_AT_MOST]
    chosen = {row.node_id for row in most}
    nodes = [ALL, *(row.node_id for row in whole if row.node_id in chosen)]
    return nodes, [row for row in rows if row.node_id in nodes]


def _more(rows: Sequence[Errors], nodes: Sequence[str]) -> str:
    total = len({row.node_id for row in rows})
    return "" if total == len(nodes) else f" The {len(nodes) - 1} of {total - 1} nodes that err most."


def _rows(axes: Axes, nodes: Sequence[str], names: Mapping[str, str]) -> None:
    axes.set_yticks(range(len(nodes)), ["all nodes" if node == ALL else names[node] for node in nodes])
    axes.set_ylim(len(nodes) - 0.4, -0.6)
    axes.axvline(0.0, color=INK, lw=1.0, zorder=0)
    axes.grid(False, axis="y")
    percent_axis(axes.xaxis)
