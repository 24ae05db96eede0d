"""One look for every figure: colours, type, grid. matplotlib is imported only when a figure is drawn.

Policies have fixed colours from the Okabe-Ito set, stages from Tol's muted set: both keep apart under the
common
colour-vision deficiencies, and the two families never meet in one figure with the same meaning. Greys of
the ink,
rules and paper are sentinels: the page replaces them by CSS variables, so that figures follow light and dark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

INK = "#1c2129"
MUTED = "#5c6672"
RULE = "#dfe3e8"
PAPER = "#fefefe"
SENTINELS = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--paper)"}

POLICY_COLOURS = {
    "grid": "#8a8f98",
    "local": "#e69f00",
    "det": "#56b4e9",
    "dat": "#cc79a7",
    "deta": "#009e73",
}
OTHER_COLOURS = ("#0072b2", "#d55e00", "#9c8bd9", "#8c6d46", "#b8b000", "#6fa8a0")
POLICY_MARKERS = {"grid": "s", "local": "o", "det": "^", "dat": "v", "deta": "D"}
OTHER_MARKERS = ("P", "X", "<", ">", "p", "h")

CATEGORY_COLOURS = {
    "preparation": "#88ccee",
    "development": "#4477aa",
    "application": "#ddb94d",
    "recycling": "#44aa99",
    "unallocated": "#b7bcc4",
    "waste": "#7d5a3c",
    "network": "#999933",
    "coordinator": "#cc6677",
    "router": "#aa4499",
    "devices": "#332288",
}
CATEGORY_HATCHES = {
    "network": "////",
    "coordinator": "||||",
    "router": "----",
    "devices": "....",
    "waste": "\\\\\\\\",
}

GREEN = "#2f9e6e"
GRID_ENERGY = "#7b828c"
CURTAILED = "#e2b93b"
BAD = "#d1495b"

HASH_SALT = "detabed"


def policy_label(policy: str) -> str:
    """The five restrictions of the one model in capitals, as the paper writes them; others by their own
    name."""
    return policy.upper() if policy in POLICY_COLOURS else policy


def _slot_of(name: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % size


def policy_colour(policy: str) -> str:
    """Fixed per name, whatever else is in the comparison."""
    return POLICY_COLOURS.get(policy) or OTHER_COLOURS[_slot_of(policy, len(OTHER_COLOURS))]


def policy_marker(policy: str) -> str:
    """A second cue beside the colour."""
    return POLICY_MARKERS.get(policy) or OTHER_MARKERS[_slot_of(policy, len(OTHER_MARKERS))]


def category_colour(category: str) -> str:
    return CATEGORY_COLOURS.get(category, MUTED)


def _map(name: str, colours: list[str]) -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(name, colours)


def intensity_map() -> Colormap:
    """Low intensity teal, high intensity brown, monotone in lightness and safe for colour-vision
    deficiencies."""
    return _map("intensity", ["#2a9d86", "#7fa56b", "#c29a4b", "#c26a3a", "#a8432b"])


def energy_map() -> Colormap:
    """Nothing pale, much dark green."""
    return _map("energy", ["#e6f4ec", "#8fd0b0", "#2f9e6e", "#0b5a41"])


def work_map() -> Colormap:
    """Nothing pale, much dark blue."""
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


@contextmanager
def look() -> Iterator[None]:
    """matplotlib settings of every figure: wrap drawing *and* saving."""
    import matplotlib

    with matplotlib.rc_context(RC):  # type: ignore[arg-type]
        yield
