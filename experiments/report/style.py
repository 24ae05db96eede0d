"""Colours and markers of the report: figures, tables and page take them from here.

Policies have fixed colours from the Okabe-Ito set, stages from Tol's muted set: both keep apart under the common
colour-vision deficiencies, and the two families never meet in one figure with the same meaning. Greys of the ink,
rules and paper are sentinels: the page replaces them by CSS variables, so that figures follow light and dark.
"""

from __future__ import annotations

import hashlib

from protos.messages.terms import Holder

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
    str(Holder.NETWORK): "#999933",
    str(Holder.COORDINATOR): "#cc6677",
    str(Holder.ROUTER): "#aa4499",
    str(Holder.DEVICES): "#332288",
}
CATEGORY_HATCHES = {
    str(Holder.NETWORK): "////",
    str(Holder.COORDINATOR): "||||",
    str(Holder.ROUTER): "----",
    str(Holder.DEVICES): "....",
    "waste": "\\\\\\\\",
}

GREEN = "#2f9e6e"
GRID_ENERGY = "#7b828c"
CURTAILED = "#e2b93b"
BAD = "#d1495b"


def policy_label(policy: str) -> str:
    """The five restrictions of the one model in capitals, as the paper writes them; others by their own
    name."""
    return policy.upper() if policy in POLICY_COLOURS else policy


def _slot_of(name: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % size


def policy_colour(policy: str) -> str:
    """Fixed colour per name, in every comparison."""
    return POLICY_COLOURS.get(policy) or OTHER_COLOURS[_slot_of(policy, len(OTHER_COLOURS))]


def policy_marker(policy: str) -> str:
    """A second cue beside the colour."""
    return POLICY_MARKERS.get(policy) or OTHER_MARKERS[_slot_of(policy, len(OTHER_MARKERS))]


def ink_on(colour: str) -> str:
    """Black or white, whichever stands out more on ``colour`` (``#rrggbb``): at least 4.58 to 1 by WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def category_colour(category: str) -> str:
    return CATEGORY_COLOURS.get(category, MUTED)
