"""A figure of the report: a matplotlib figure with a caption, an alternative text, and its
data."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num, num2date
from matplotlib.ticker import Formatter
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from experiments.report.figures.look import look
from experiments.report.figures.shown import ShownFigure
from experiments.report.style import MUTED, PAPER, category_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 8.6
Edges = NDArray[np.float64]
"""Limits of the slots as matplotlib dates."""
Canvas = TypeVar("Canvas", bound=FigureCanvasBase)


@dataclass
class Drawing:
    """One figure of the report; ``tips`` maps an SVG id to the text shown when the pointer rests on that
    element."""

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
            artist.set_in_layout(False)

    def svg(self) -> str:
        """The figure as SVG text; the same figure gives the same text."""
        buffer = io.StringIO()
        with look(), _printed_by(FigureCanvasSVG, self.figure) as canvas:
            canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
            self.figure.set_layout_engine("none")  # laid out once: the PDF takes the same places
        return buffer.getvalue()

    def save(self, figures: Path, svg: str) -> None:
        """``svg`` (from ``svg()``) and a PDF into ``figures``."""
        (figures / f"{self.name}.svg").write_text(svg, encoding="utf-8")
        self.save_pdf(figures)

    def save_pdf(self, figures: Path) -> None:
        with look(), _printed_by(FigureCanvasPdf, self.figure) as canvas:
            canvas.print_pdf(
                figures / f"{self.name}.pdf",
                metadata={"CreationDate": None, "Creator": None, "Producer": None},
            )


@contextmanager
def _printed_by(kind: type[Canvas], figure: Figure) -> Iterator[Canvas]:
    """A canvas that draws ``figure`` once. ``Figure.savefig`` draws every figure twice, the first time for its
    layout, which the canvas takes care of while it draws."""
    before, dpi = figure.canvas, figure.dpi
    try:
        yield kind(figure)
    finally:
        figure.set_canvas(before)
        figure.set_dpi(dpi)


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure outside pyplot: no global state, no window."""
    return ShownFigure(figsize=(width_in, height_in), layout="constrained")


def no_grid(ax: Axes, axis: str = "both") -> None:
    ax.grid(False, axis=axis)  # type: ignore[arg-type]


class PercentTicks(Formatter):
    """Fractions in percent: as many decimals as tell the visible ticks apart and round none of them, at most three."""

    DECIMALS = 3

    def __init__(self) -> None:
        self._decimals = 0

    def set_locs(self, locs: Any) -> None:
        """The ticks, from which the number of decimals follows."""
        super().set_locs(locs)
        low, high = (-np.inf, np.inf) if self.axis is None else sorted(self.axis.get_view_interval())
        percents = [100.0 * float(at) for at in locs if low <= float(at) <= high]
        self._decimals = next(
            (k for k in range(self.DECIMALS) if all(abs(one - round(one, k)) < 1e-6 for one in percents)),
            self.DECIMALS,
        )

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{100.0 * x:z.{self._decimals}f}%".replace("-", "\N{MINUS SIGN}")


def percent_axis(axis: Any) -> None:
    """Ticks of a fraction axis in percent."""
    axis.set_major_formatter(PercentTicks())


def time_axis(ax: Axes, times: Edges, ticks: int = 9) -> None:
    """Hours of the replayed trace, UTC; the day below where it changes."""
    # Within this many hours half days still fit; beyond, days do, and a floor on ticks would make matplotlib warn.
    hours = 24.0 * float(times[-1] - times[0])
    locator = AutoDateLocator(minticks=3 if hours <= 12 * (ticks - 1) else 1, maxticks=ticks)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"])
    )
    ax.set_xlabel("time of the replayed trace, UTC")
    ax.set_xlim(float(times[0]), float(times[-1]))


def from_zero(ax: Axes, right: float) -> None:
    """Horizontal axis from zero to ``right``; to 1 where there is nothing to show: bars of zero then stand at zero."""
    ax.set_xlim(0, right or 1.0)


def slot_edges(slots: pd.DataFrame, step_s: float) -> Edges:
    """Starts of all slots in order, and the end of the last, as matplotlib dates: T + 1 for T slots."""
    starts = slots.drop_duplicates("slot").sort_values("slot")["time"]
    ends = starts.iloc[[-1]] + pd.Timedelta(seconds=step_s)
    return np.asarray(date2num(pd.concat([starts, ends]).dt.tz_localize(None).to_numpy()), dtype=np.float64)


def clock(edge: float, form: str = "%H:%M") -> str:
    """A matplotlib date as text, UTC."""
    return num2date(edge).strftime(form) + " UTC"


def stage_strip(ax: Axes, slots: pd.DataFrame, edges: Edges) -> None:
    """A thin strip above the axes with the life-cycle stage of every slot, named where there is room."""
    stages = slots.drop_duplicates("slot").sort_values("slot")["stage"].tolist()
    figure = ax.get_figure(root=True)
    assert figure is not None
    transform = ax.get_xaxis_transform() + ScaledTranslation(0, 6 / 72, figure.dpi_scale_trans)
    begin = 0
    for k in range(1, len(stages) + 1):
        if k < len(stages) and stages[k] == stages[begin]:
            continue
        left, right = float(edges[begin]), float(edges[k])
        ax.plot(
            [left, right],
            [1, 1],
            transform=transform,
            color=category_colour(stages[begin]),
            lw=5,
            clip_on=False,
            solid_capstyle="butt",
        )
        if (k - begin) / len(stages) > 0.02 * len(stages[begin]) * 0.7:
            ax.annotate(
                stages[begin],
                (left + (right - left) / 2, 1),
                (0, 5),
                xycoords=transform,
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                color=MUTED,
            )
        begin = k


def slot_bands(drawing: Drawing, ax: Axes, edges: Edges, texts: list[str]) -> None:
    """One invisible band per slot over ``ax`` that shows ``texts[t]`` when pointed at."""
    for k, text in enumerate(texts):
        band = ax.axvspan(float(edges[k]), float(edges[k + 1]), facecolor=PAPER, alpha=0.0, lw=0, zorder=10)
        drawing.tip(band, text, band=True)


def spread_labels(positions: list[float], gap: float, low: float) -> list[float]:
    """``positions`` moved apart to at least ``gap``, none below ``low``, in their order and as near as can
    be."""
    order = sorted(range(len(positions)), key=lambda k: positions[k])
    blocks: list[list[float]] = []  # [sum of wanted starts, count]
    for rank, k in enumerate(order):
        blocks.append([positions[k] - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    starts = [max(low, total / count) for total, count in blocks for _ in range(int(count))]
    moved = [0.0] * len(positions)
    for rank, k in enumerate(order):
        moved[k] = starts[rank] + rank * gap
    return moved
