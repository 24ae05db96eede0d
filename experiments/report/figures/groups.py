"""Nodes in a figure: order, names and colours; in a large fleet zones replace nodes."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from experiments.report.figures.look import intensity_map
from experiments.report.node_names import node_names
from experiments.report.read import Run

MANY_NODES = 40
"""Above this many nodes figures by node become figures by zone."""


def grouping(nodes: pd.DataFrame, node_ids: list[str]) -> tuple[dict[str, str], list[str], str]:
    """Node -> shown group, groups from low to high intensity, and what a group is: node, or zone in a
    large fleet."""
    if len(node_ids) <= MANY_NODES:
        return {node: node for node in node_ids}, node_ids, "node"
    zone_of = dict(zip(nodes["node_id"], nodes["zone"], strict=True))
    zones = list(dict.fromkeys(zone_of[node] for node in node_ids))
    if len(zones) <= MANY_NODES:
        return zone_of, zones, "zone"
    size = -(-len(zones) // MANY_NODES)
    label_of = {zone: f"{zones[(k // size) * size]} …" for k, zone in enumerate(zones)}
    return (
        {node: label_of[zone_of[node]] for node in node_ids},
        list(dict.fromkeys(label_of.values())),
        "zone group",
    )


def by_group(run: Run, column: str, how: str) -> tuple[pd.DataFrame, str]:
    """Slots x groups (low to high intensity) of ``column`` (``how``: sum or mean), and what a group is."""
    slots = run.tables["slots"]
    group_of, groups, kind = grouping(run.tables["nodes"], run.node_ids)
    grouped = slots.assign(group=slots["node_id"].map(group_of)).groupby(["slot", "group"])[column]
    frame = grouped.sum(min_count=1) if how == "sum" else grouped.mean()
    return frame.unstack("group")[groups], kind


def level_colours(run: Run, groups: list[str]) -> tuple[dict[str, Any], Any]:
    """Colour of every group by its mean intensity, and the mappable for a colour bar."""
    level = by_group(run, "intensity_g_per_kwh", "mean")[0].mean()
    mapping = ScalarMappable(Normalize(0, float(level.max()) or 1.0), intensity_map())
    return {group: mapping.to_rgba(np.asarray(level[group])) for group in groups}, mapping


def group_names(run: Run, groups: list[str]) -> dict[str, str]:
    """Group -> name with its zone, where a group is a node."""
    names = node_names(run.tables["nodes"])
    return {group: names.get(group, group) for group in groups}


def file_part(name: str) -> str:
    """``name`` with only letters, digits and dashes: policies out of tree are called
    ``package.module:Name``."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name).lower()
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
