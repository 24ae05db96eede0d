"""Style of all figures: type, grid, colour maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import matplotlib
from matplotlib.colors import Colormap, LinearSegmentedColormap

from experiments.report.style import INK, MUTED, PAPER, RULE

HASH_SALT = "detabed"


def _map(name: str, colours: list[str]) -> Colormap:
    return LinearSegmentedColormap.from_list(name, colours)


def intensity_map() -> Colormap:
    """Low intensity teal, high intensity brown, monotone in lightness and safe for colour-vision
    deficiencies."""
    return _map("intensity", ["#2a9d86", "#7fa56b", "#c29a4b", "#c26a3a", "#a8432b"])


def energy_map() -> Colormap:
    """Light for zero, dark green for much."""
    return _map("energy", ["#e6f4ec", "#8fd0b0", "#2f9e6e", "#0b5a41"])


def work_map() -> Colormap:
    """Light for zero, dark blue for much."""
    return _map("work", ["#e8eef8", "#9fbbe3", "#4477aa", "#1d3f70"])


def battery_map() -> Colormap:
    return _map("battery", ["#f3efe2", "#e5cf86", "#8fbf7f", "#1d7f6b"])


RC: dict[str, Any] = {
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "figure.dpi": 100,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelsize": 9.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "hatch.linewidth": 0.6,
    "hatch.color": PAPER,
    "text.parse_math": False,  # names come from scenarios: a dollar sign in one is a dollar sign
    "svg.fonttype": "none",
    "svg.hashsalt": HASH_SALT,
    "pdf.fonttype": 3,  # subsetting for type 42 takes longer than drawing
    "timezone": "UTC",
    "axes.formatter.useoffset": False,
}


_other: ContextVar[Mapping[str, Any]] = ContextVar("other", default=MappingProxyType({}))


@contextmanager
def look() -> Iterator[None]:
    """matplotlib settings of every figure: wrap drawing *and* saving."""
    settings: dict[str, Any] = RC | dict(_other.get())
    with matplotlib.rc_context(settings):  # type: ignore[arg-type]
        yield


@contextmanager
def dressed(settings: Mapping[str, Any]) -> Iterator[None]:
    """Figures that are drawn and saved within have ``settings`` in place of the usual ones."""
    token = _other.set(settings)
    try:
        yield
    finally:
        _other.reset(token)
