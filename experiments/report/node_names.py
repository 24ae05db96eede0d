"""Nodes as people read them: the id with its zone, ``n0 · DE``, wherever a page names a node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from experiments.report import units
from experiments.report.read import Study
from experiments.report.tables import Table

NODE, HOLDERS = "node_id", "held_by"
"""Columns of a node, and of several in words."""
_TOKEN = re.compile(r"(?<![\w-])[\w-]+(?![\w-]| ·)")


def node_names(nodes: pd.DataFrame) -> dict[str, str]:
    """Node -> id with zone. ``nodes``: ``node_id`` and ``zone``, a node a row."""
    return {str(node): named(str(node), zone) for node, zone in zip(nodes[NODE], nodes["zone"], strict=True)}


def named(node_id: str, zone: Any) -> str:
    """A node with its zone; without one where the zone is missing."""
    return node_id if units.missing(zone) or str(zone) == "" else f"{node_id} · {zone}"


def in_text(text: str, names: Mapping[str, str]) -> str:
    """``text`` with zones beside the node ids in it."""
    return _TOKEN.sub(lambda found: names.get(found[0], found[0]), text)


def with_zones(table: Table, study: Study) -> Table:
    """``table`` with zones beside its node ids, where no column of its own shows the zone.

    Holders of energy that are no nodes keep their names; the CSV keeps the id alone.
    """
    keys = {column.key for column in table.columns}
    if not keys & {NODE, HOLDERS} or "zone" in keys:
        return table
    names: Mapping[str, str] = {
        node: name for run in study for node, name in node_names(run.tables["nodes"]).items()
    }
    return replace(
        table,
        columns=tuple(
            replace(column, text=lambda value: in_text(str(value), names))
            if column.key in (NODE, HOLDERS)
            else column
            for column in table.columns
        ),
    )
