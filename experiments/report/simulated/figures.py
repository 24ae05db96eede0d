"""Figures of a simulated period."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from experiments.report.figures.base import Drawing, new_figure, percent_axis
from experiments.report.figures.look import energy_map, look
from experiments.report.simulated.totals import Simulated
from experiments.report.style import CURTAILED, GREEN, GRID_ENERGY, MUTED, category_colour, ink_on
from experiments.report.units import grams_scale, joules_scale, number, watts_scale

POINTS = 400
"""Points of a duration curve."""


def drawings(run: Simulated) -> list[Drawing]:
    """All figures of the page."""
    found = [duration_curves(run), use_of_harvest(run), grams_by_month(run)]
    return found if run.exchange.empty else [*found, exchange_by_zone(run)]


@look()
def duration_curves(run: Simulated) -> Drawing:
    """Power of the whole fleet, highest first."""
    slot_s = float(run.metadata["slot_s"])
    shares = np.linspace(0.0, 1.0, POINTS)
    curves = {
        label: np.quantile(run.slots[name].to_numpy() / slot_s, 1.0 - shares)
        for label, name in (
            ("demand", "demand_j"),
            ("harvest", "harvest_j"),
            ("grid", "grid_j"),
            ("curtailed", "curtailed_j"),
        )
    }
    scale = watts_scale(max(float(values.max()) for values in curves.values()))
    figure = new_figure(3.4)
    axes = figure.subplots()
    colours = {"demand": MUTED, "harvest": GREEN, "grid": GRID_ENERGY, "curtailed": CURTAILED}
    for label, values in curves.items():
        style = "--" if label == "demand" else "-"
        axes.plot(shares, values * scale.factor, style, color=colours[label], label=label)
    percent_axis(axes.xaxis)
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("share of all slots")
    axes.set_ylabel(f"mean power of the fleet in a slot, {scale.unit}")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return Drawing(
        name="duration-curves",
        title="Duration curves",
        caption="Mean power of all nodes in a slot, each curve with its highest slot first.",
        alt="Four falling curves: demand, harvest, grid and curtailed power over the share of slots.",
        figure=figure,
        data=pd.DataFrame(
            {"share_of_slots": shares, **{f"{label}_w": values for label, values in curves.items()}}
        ),
    )


@look()
def use_of_harvest(run: Simulated) -> Drawing:
    """By month: what became of the harvest, and how much of the demand it covered."""
    months = run.months
    harvest = months["harvest_j"].replace(0.0, np.nan)
    curtailed, given = months["curtailed_j"] / harvest, months["export_j"] / harvest
    own = 1.0 - curtailed - given
    covered = months["green_j"] / months["demand_j"].replace(0.0, np.nan)
    figure = new_figure(3.0)
    axes = figure.subplots()
    at, below = np.arange(len(months)), np.zeros(len(months))
    for label, values, colour in (
        ("used or stored at the node", own, GREEN),
        ("given to others", given, category_colour("development")),
        ("curtailed", curtailed, CURTAILED),
    ):
        heights = values.fillna(0.0).clip(lower=0.0).to_numpy()
        axes.bar(at, heights, bottom=below, color=colour, label=label, width=0.7)
        below = below + heights
    axes.plot(at, covered.to_numpy(), "D-", color=MUTED, ms=4, lw=1.0, label="share of demand met by harvest")
    axes.set_xticks(at, list(months.index))
    axes.tick_params("x", rotation=45 if len(months) > 8 else 0)
    axes.set_ylim(0, 1.05)
    percent_axis(axes.yaxis)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    data = pd.DataFrame(
        {
            "own_fraction": own,
            "given_fraction": given,
            "curtailed_fraction": curtailed,
            "covered_fraction": covered,
        }
    )
    return Drawing(
        name="use-of-harvest",
        title="Self-consumption and curtailment",
        caption="Bars: what became of each month's harvest. Diamonds: share of the nodes' demand that harvest met.",
        alt="Stacked bars by month of harvest used, given away and curtailed, with the share of demand it met.",
        figure=figure,
        data=data.reset_index(),
    )


@look()
def grams_by_month(run: Simulated) -> Drawing:
    months = run.months[["operational_g", "shared_g"]]
    scale = grams_scale(float(months.sum(axis=1).max()))
    figure = new_figure(2.8)
    axes = figure.subplots()
    at = np.arange(len(months))
    nodes, shared = (months[name].to_numpy() * scale.factor for name in months)
    axes.bar(at, nodes, color=category_colour("development"), label="nodes", width=0.7)
    axes.bar(
        at,
        shared,
        bottom=nodes,
        color=category_colour("coordinator"),
        label="network, coordinator, router",
        width=0.7,
    )
    axes.set_xticks(at, list(months.index))
    axes.tick_params("x", rotation=45 if len(months) > 8 else 0)
    axes.set_ylabel(f"{scale.unit} CO2e")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return Drawing(
        name="grams-by-month",
        title="Emissions by month",
        caption="Operational emissions; months are those of the traces, UTC.",
        alt="Bars of emissions by month, nodes and shared parts.",
        figure=figure,
        data=months.reset_index(),
    )


@look()
def exchange_by_zone(run: Simulated) -> Drawing:
    zones = sorted({*run.exchange["from"], *run.exchange["to"]})
    sent = run.exchange.pivot_table(index="from", columns="to", values="sent_j", aggfunc="sum")
    matrix = sent.reindex(index=zones, columns=zones).fillna(0.0).to_numpy(dtype=float)
    scale = joules_scale(float(matrix.max(initial=0.0)))
    figure = new_figure(0.34 * len(zones) + 1.7, 5.6)
    axes = figure.subplots()
    axes.grid(False)
    axes.imshow(matrix, cmap=energy_map(), aspect="auto", vmin=0.0)
    axes.set_xticks(range(len(zones)), zones, rotation=45, ha="right")
    axes.set_yticks(range(len(zones)), zones)
    axes.set_xlabel("recipient's zone")
    axes.set_ylabel("donor's zone")
    most = float(matrix.max(initial=0.0)) or 1.0
    for i, j in zip(*np.nonzero(matrix), strict=True) if len(zones) <= 12 else ():
        text, behind = number(matrix[i, j] * scale.factor, 2), to_hex(energy_map()(matrix[i, j] / most))
        axes.text(j, i, text, ha="center", va="center", fontsize=7.5, color=ink_on(behind))
    return Drawing(
        name="exchange-by-zone",
        title="Exchange by zone",
        caption=f"Energy sent from zone to zone, {scale.unit}. The table has what arrived, and batches moved.",
        alt="Matrix of energy sent between zones.",
        figure=figure,
        data=run.exchange,
    )
