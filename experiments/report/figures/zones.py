"""A map of the run's zones: intensity, grams, and work that moved between them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from carbon_data.sources.sites import zone_sites
from experiments.report import style, units
from experiments.report.figures.base import Drawing, new_figure, spread_labels
from experiments.report.figures.look import intensity_map
from experiments.report.read import Run, Study

OUTLINES = Path(__file__).with_name("outlines.npz")
"""Natural Earth, land at 1:110 million, public domain (build_outlines.py)."""
HUNDREDTHS = 100.0
MARGIN_DEG = 6.0
LEAST_WIDTH_DEG = 40.0
JUMP_DEG = 180.0
"""Two points of a coastline further apart than this lie on both sides of the date line."""
NAMED = 24
"""With more zones the dots are not named; pointing at one does."""
LARGEST_DOT, SMALLEST_DOT = 900.0, 40.0
LARGEST_ARROW_PT = 4.0
MAP_WIDTH_IN = 7.6
"""Beside the scale of colours."""
POINTS_PER_INCH = 72.0
NAME_BESIDE_DOT_PT = 4.0
NAMES_APART = 0.045
"""Least distance of two names, of the map's height."""
Limits = tuple[float, float, float, float]
"""West, east, south, north."""


@cache
def outlines() -> list[NDArray[np.float64]]:
    """Coastlines, each (n, 2): degrees east and north; those that cross the date line in parts."""
    with np.load(OUTLINES, allow_pickle=False) as stored:
        points = stored["points"].astype(np.float64) / HUNDREDTHS
        lines = np.split(points, stored["starts"][1:])
    return [part for line in lines for part in _without_jumps(line)]


def _without_jumps(line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Parts of a coastline between crossings of the date line; a line across the whole map would join them."""
    return np.split(line, np.flatnonzero(np.abs(np.diff(line[:, 0])) > JUMP_DEG) + 1)


def by_zone(run: Run) -> pd.DataFrame:
    """Zones with a known place: nodes, grams of nodes, mean intensity, degrees."""
    nodes, slots = run.tables["nodes"], run.tables["slots"]
    frame = nodes.groupby("zone").agg(nodes=("node_id", "size"), operational_g=("operational_g", "sum"))
    frame["intensity_g_per_kwh"] = slots.groupby("zone")["intensity_g_per_kwh"].mean()
    sites = zone_sites()
    frame = frame[[zone in sites for zone in frame.index]]
    frame["longitude_deg"] = [sites[str(zone)].longitude_deg for zone in frame.index]
    frame["latitude_deg"] = [sites[str(zone)].latitude_deg for zone in frame.index]
    frame["place"] = [sites[str(zone)].name for zone in frame.index]
    return frame.sort_index().reset_index()


def moved(run: Run) -> pd.DataFrame:
    """Batches that moved between two zones."""
    zone = run.tables["nodes"].set_index("node_id")["zone"]
    flows = run.tables["batch_flows"].assign(
        source=lambda frame: frame["owner"].map(zone), target=lambda frame: frame["executor"].map(zone)
    )
    sums = flows[flows["source"] != flows["target"]].groupby(["source", "target"])["batches"].sum()
    return sums[sums > 0].sort_values(ascending=False).reset_index()


def zone_map(study: Study) -> Drawing | None:
    """None where fewer than two zones have a place."""
    run = study.first(study.focus)
    zones, flows = by_zone(run), moved(run)
    if len(zones) < 2:
        return None
    label = style.policy_label(run.policy)
    lacking = sorted(set(run.tables["nodes"]["zone"].dropna()) - set(zones["zone"]))
    limits = _limits(zones)
    height = MAP_WIDTH_IN * min(0.75, max(0.35, (limits[3] - limits[2]) / (limits[1] - limits[0])))
    figure = new_figure(height + 0.3)
    axes: Any = figure.subplots()
    drawing = Drawing(
        name="zones",
        title="Where the nodes are",
        caption=(
            "One dot a zone at its largest city: colour is the grid's mean intensity, area the grams of its nodes "
            f"under {label}, seed {run.seed}."
            + (" Arrows: batches that moved to another zone, as wide as they are many." if len(flows) else "")
            + (f" Without a known place: {', '.join(lacking)}." if lacking else "")
            + " Coastlines: Natural Earth, public domain."
        ),
        alt="; ".join(
            f"{row.zone} ({row.place}) {units.number(float(row.intensity_g_per_kwh))} g/kWh"  # type: ignore[arg-type]
            for row in zones.sort_values("intensity_g_per_kwh").itertuples()
        ),
        figure=figure,
        data=zones,
    )
    for line in outlines():
        axes.plot(line[:, 0], line[:, 1], color=style.RULE, lw=0.8, zorder=1)
    _arrows(axes, zones, flows)
    _dots(drawing, axes, zones, figure, limits)
    axes.set_xlim(limits[0], limits[1])
    axes.set_ylim(limits[2], limits[3])
    axes.set_aspect("equal", adjustable="box")
    axes.set_axis_off()
    return drawing


def _limits(zones: pd.DataFrame) -> Limits:
    """West, east, south, north: all zones with a margin, and no closer than a continent."""
    west, east = float(zones["longitude_deg"].min()), float(zones["longitude_deg"].max())
    south, north = float(zones["latitude_deg"].min()), float(zones["latitude_deg"].max())
    wide = max(LEAST_WIDTH_DEG, east - west + 2 * MARGIN_DEG)
    high = max(0.5 * wide, north - south + 2 * MARGIN_DEG)
    middle_x, middle_y = (west + east) / 2, (south + north) / 2
    return middle_x - wide / 2, middle_x + wide / 2, middle_y - high / 2, middle_y + high / 2


def _arrows(axes: Any, zones: pd.DataFrame, flows: pd.DataFrame) -> None:
    place = {
        str(zone): (float(east), float(north))
        for zone, east, north in zip(
            zones["zone"], zones["longitude_deg"], zones["latitude_deg"], strict=True
        )
    }
    known = flows[flows["source"].isin(place) & flows["target"].isin(place)]
    most = float(known["batches"].max()) if len(known) else 1.0
    for row in known.itertuples():
        width = LARGEST_ARROW_PT * float(row.batches) / most  # type: ignore[arg-type]
        if width < 0.1:
            continue
        axes.annotate(
            "",
            xy=place[str(row.target)],
            xytext=place[str(row.source)],
            arrowprops={
                "arrowstyle": "-|>",
                "lw": width,
                "color": style.MUTED,
                "alpha": 0.6,
                "shrinkA": 6,
                "shrinkB": 8,
                "connectionstyle": "arc3,rad=0.2",
            },
            zorder=2,
        )


def _dots(drawing: Drawing, axes: Any, zones: pd.DataFrame, figure: Any, limits: Limits) -> None:
    grams = zones["operational_g"].to_numpy(dtype=float)
    largest = float(np.nanmax(grams)) or 1.0
    areas = SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * np.nan_to_num(grams) / largest
    intensity = zones["intensity_g_per_kwh"].to_numpy(dtype=float)
    norm = Normalize(float(np.nanmin(intensity)), float(np.nanmax(intensity)))
    colours = intensity_map()
    for row, area, value in zip(zones.itertuples(), areas, intensity, strict=True):
        at = float(row.longitude_deg), float(row.latitude_deg)  # type: ignore[arg-type]
        dot = axes.scatter(
            *at, s=area, color=colours(norm(value)), edgecolor=style.PAPER, linewidth=0.8, zorder=3
        )
        drawing.tip(
            dot,
            f"{row.zone}, {row.place}\n{row.nodes} nodes\n{units.grams(float(row.operational_g))}\n"  # type: ignore[arg-type]
            f"mean {units.number(value)} g/kWh",
        )
    if len(zones) <= NAMED:
        _names(axes, zones.assign(radius_pt=np.sqrt(areas) / 2), limits)
    mapping = axes.scatter([], [], c=[], cmap=colours, norm=norm)
    figure.colorbar(mapping, ax=axes, label="mean intensity, g CO₂e per kWh", pad=0.02, shrink=0.7)


def _names(axes: Any, zones: pd.DataFrame, limits: Limits) -> None:
    """Names right of their dots; those of dots near each other are moved apart, with a line to the dot."""
    gap = NAMES_APART * (limits[3] - limits[2])
    degrees_per_pt = (limits[1] - limits[0]) / (MAP_WIDTH_IN * POINTS_PER_INCH)
    order = zones.sort_values("longitude_deg")
    # dots in a column of the map share it with their names
    column = (order["longitude_deg"].diff() > 0.12 * (limits[1] - limits[0])).cumsum()
    for _, group in order.groupby(column):
        wanted = group["latitude_deg"].tolist()
        edges = group["longitude_deg"] + (group["radius_pt"] + NAME_BESIDE_DOT_PT) * degrees_per_pt
        right = float(edges.max())
        placed = spread_labels(wanted, gap, limits[2])
        for row, north in zip(group.itertuples(), placed, strict=True):
            at = float(row.longitude_deg), float(row.latitude_deg)  # type: ignore[arg-type]
            crowded = len(group) > 1
            axes.annotate(
                row.zone,
                at,
                (right, north),
                textcoords="data",
                va="center",
                fontsize=8,
                color=style.INK,
                zorder=4,
                bbox={"facecolor": style.PAPER, "alpha": 0.8, "lw": 0, "pad": 0.8},
                arrowprops={"arrowstyle": "-", "lw": 0.5, "color": style.MUTED, "shrinkB": 0}
                if crowded
                else None,
            )
