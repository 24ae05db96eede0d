"""What a figure is here: a matplotlib figure with a caption, a text for those who cannot see it, and its data."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from experiments.report.style import MUTED, PAPER, category_colour, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 8.6
MANY_NODES = 40
"""Above this many nodes figures by node become figures by zone."""


@dataclass
class Drawing:
    """One figure of the report; ``tips`` maps an SVG id to the text shown when the pointer rests on that element."""

    name: str
    """File stem in figures/ and tables/: letters, digits and dashes."""
    title: str
    caption: str
    alt: str
    figure: Figure
    data: pd.DataFrame
    tab: str = ""
    """Drawings of one section that carry a tab label are shown one at a time, all of them in print."""
    tips: dict[str, str] = field(default_factory=dict)
    series: dict[str, str] = field(default_factory=dict)
    """SVG id -> series: pointing at one series dims the others."""
    bands: set[str] = field(default_factory=set)
    """SVG ids of invisible bands that show all values of one slot."""

    def tip(self, artist: Any, text: str, *, series: str = "", band: bool = False) -> None:
        gid = f"{self.name}--{len(self.tips) + len(self.series)}"
        artist.set_gid(gid)
        if text:
            self.tips[gid] = text
        if series or not text:
            self.series[gid] = series
        if band:
            self.bands.add(gid)

    def svg(self) -> str:
        """The figure as SVG text; the same figure gives the same text."""
        buffer = io.StringIO()
        with look():
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()

    def save(self, figures: Path, svg: str) -> None:
        """``svg`` (from ``svg()``) and a PDF into ``figures``."""
        (figures / f"{self.name}.svg").write_text(svg, encoding="utf-8")
        with look():
            self.figure.savefig(
                figures / f"{self.name}.pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None}
            )


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure outside pyplot: no global state, no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def no_grid(ax: Axes, axis: str = "both") -> None:
    ax.grid(False, axis=axis)  # type: ignore[arg-type]


def percent_axis(axis: Any, decimals: int | None = None) -> None:
    """Ticks of a fraction axis in percent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=decimals))


def time_axis(ax: Axes, times: pd.DatetimeIndex) -> None:
    """Hours of the replayed trace, UTC; the day below where it changes."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    ax.set_xlabel("time of the replayed trace, UTC")
    ax.margins(x=0)
    ax.set_xlim(times[0], times[-1])


def slot_edges(slots: pd.DataFrame, step_s: float) -> pd.DatetimeIndex:
    """Starts of all slots in order, and the end of the last: T + 1 times for T slots."""
    starts = pd.DatetimeIndex(slots.drop_duplicates("slot").sort_values("slot")["time"])
    return starts.append(pd.DatetimeIndex([starts[-1] + pd.Timedelta(seconds=step_s)]))


def stage_strip(ax: Axes, slots: pd.DataFrame, edges: pd.DatetimeIndex) -> None:
    """A thin strip above the axes with the life-cycle stage of every slot, named where there is room."""
    stages = slots.drop_duplicates("slot").sort_values("slot")["stage"].tolist()
    transform = ax.get_xaxis_transform()
    begin = 0
    for k in range(1, len(stages) + 1):
        if k < len(stages) and stages[k] == stages[begin]:
            continue
        left, right = edges[begin], edges[k]
        ax.fill_between(
            [left, right], 1.015, 1.05, transform=transform, color=category_colour(stages[begin]), lw=0, clip_on=False
        )
        if (k - begin) / len(stages) > 0.02 * len(stages[begin]) * 0.7:
            ax.text(
                left + (right - left) / 2, 1.06, stages[begin], transform=transform, ha="center", va="bottom",
                fontsize=8, color=MUTED,
            )
        begin = k


def slot_bands(drawing: Drawing, ax: Axes, edges: pd.DatetimeIndex, texts: list[str]) -> None:
    """One invisible band per slot over ``ax`` that shows ``texts[t]`` when pointed at."""
    for k, text in enumerate(texts):
        band = ax.axvspan(edges[k], edges[k + 1], facecolor=PAPER, alpha=0.0, lw=0, zorder=10)
        drawing.tip(band, text, band=True)


def spread_labels(positions: list[float], gap: float) -> list[float]:
    """``positions`` moved apart to at least ``gap``, keeping their order and as near as possible to where they were."""
    order = sorted(range(len(positions)), key=lambda k: positions[k])
    blocks: list[list[float]] = []  # [sum of wanted starts, count]
    for rank, k in enumerate(order):
        blocks.append([positions[k] - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    starts = [total / count for total, count in blocks for _ in range(int(count))]
    moved = [0.0] * len(positions)
    for rank, k in enumerate(order):
        moved[k] = starts[rank] + rank * gap
    return moved


def legend_above(target: Any, handles: list[Any], columns: int = 6) -> None:
    """A legend in one or few rows above the axes, outside the data."""
    target.legend(handles=handles, loc="outside upper left", ncols=min(columns, max(1, len(handles))), handlelength=1.4)


def grouping(nodes: pd.DataFrame, node_ids: list[str]) -> tuple[dict[str, str], list[str], str]:
    """Node -> shown group, groups from low to high intensity, and what a group is: node, or zone in a large fleet."""
    if len(node_ids) <= MANY_NODES:
        return {node: node for node in node_ids}, node_ids, "node"
    zone_of = dict(zip(nodes["node_id"], nodes["zone"], strict=True))
    zones = list(dict.fromkeys(zone_of[node] for node in node_ids))
    if len(zones) <= MANY_NODES:
        return zone_of, zones, "zone"
    size = -(-len(zones) // MANY_NODES)
    label_of = {zone: f"{zones[(k // size) * size]} …" for k, zone in enumerate(zones)}
    return {node: label_of[zone_of[node]] for node in node_ids}, list(dict.fromkeys(label_of.values())), "zone group"
